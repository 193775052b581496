import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { HttpOptions, HttpServer } from "../../src/http/server.ts";
import { type RunningBrowser, startBrowser } from "../support/browser.ts";
import { fixtureScene, type Scene } from "../support/fixture-scenes.ts";
import { buildConsole, serveFixture } from "../support/fixture-server.ts";
import { type FixtureService, fixtureAlert } from "../support/fixture-service.ts";

let browser: RunningBrowser;
let consoleDir = "";
const servers: HttpServer[] = [];
const services: FixtureService[] = [];
/** What the page complained about, a refused script or style among it. */
let complaints: string[] = [];

beforeAll(async () => {
  consoleDir = buildConsole();
  browser = await startBrowser(1366, 768);
});
afterAll(async () => {
  await browser?.close();
});
afterEach(async () => {
  for (const page of browser.context.pages().slice(1)) await page.close();
  for (const server of servers.splice(0)) await server.close();
});

async function open(scene: Scene, options: Partial<HttpOptions> = {}) {
  const service = fixtureScene(scene);
  services.push(service);
  const { server, url } = await serveFixture(service, consoleDir, options);
  servers.push(server);
  complaints = [];
  const page = await browser.context.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(url);
  if (options.token == null) await page.locator("[data-zone]").first().waitFor();
  return { page, service, server, url };
}

const cells = (page: Page) => page.locator(".row-cell").allTextContents();
const onPlan = (page: Page, zone: string) => page.locator(`[data-zone="${zone}"]`);

describe("console", () => {
  it("quiet house: grey, and it says how many watch", async () => {
    const { page } = await open("quiet");
    await page.getByText("Nothing to report. 13 of 13 sensors watching.").waitFor();
    expect(await page.locator(".zone.alert, .zone.maybe").count()).toBe(0);
    await page.locator("#age.is-live").waitFor();
    expect(complaints).toEqual([]);
  });

  it("new alert: appears by itself, its cell marked on the plan, neighbours shaded, the reason in words", async () => {
    const { page, service } = await open("quiet");
    await page.locator("#age.is-live").waitFor();
    service.put(fixtureAlert("b1-1-05", Date.now()));
    await page.locator('[data-zone="b1-1-05"].alert').waitFor();
    expect(await cells(page)).toEqual(["b1-1-05"]);
    expect(await onPlan(page, "b1-1-04").getAttribute("class")).toContain("maybe");
    expect(await onPlan(page, "b1-1-05").textContent()).toContain("83");
    await page.getByText("Call on LTE 800, heard by 4 sensors, up to 31 dB above the noise at b1-s13.").waitFor();
    expect(await page.locator('.unseen[role="alert"]').textContent()).toBe("New high alert: b1-1-05");
    await page.waitForFunction("document.title.startsWith('(1)')");
    expect(complaints).toEqual([]);
  });

  it("search list: cells by what is believed, with reasons in words; the alerts come back by their tab", async () => {
    const { page, service } = await open("quiet");
    const scan = {
      block: "b1",
      sensor: "gate-1",
      boot: 1,
      score: null,
      h2Db: null,
      h3Db: null,
      peakUt: null,
      zones: [],
    };
    service.beliefMs = Date.now();
    const tsMs = service.beliefMs - 3_600_000;
    service.belief.scan({ ...scan, seq: 1, tsMs, method: "nljd", place: "b1-1-07", alarm: true }, "n1");
    service.belief.search("b1-0-03", false, tsMs, "s1");
    await page.getByRole("button", { name: "Search", exact: true }).click();
    await page.locator('[data-search="b1-1-07"]').waitFor();
    expect((await cells(page))[0]).toBe("b1-1-07");
    expect(await page.locator('[data-search="b1-1-07"]').textContent()).toMatch(/27\s%/);
    await page.getByText("× 3.4 · junction detector alarm at the cell").waitFor();
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map((v) => v.id)).toEqual([]);
    await page.getByRole("button", { name: /^Open/ }).click();
    await page.getByText("Nothing to report. 13 of 13 sensors watching.").waitFor();
    expect(complaints).toEqual([]);
  });

  it("unsure place: outlined and shaded, not filled; a likely one is filled", async () => {
    const { page, service } = await open("one");
    const candidates = [{ cell: "b1-0-09", p: 0.2 }];
    service.put(fixtureAlert("b1-0-09", Date.now(), { candidates }));
    await page.locator('[data-zone="b1-0-09"].alert.unsure').waitFor();
    const fill = (zone: string) =>
      page.evaluate<string>(`getComputedStyle(document.querySelector('[data-zone="${zone}"] .area')).fill`);
    expect(await fill("b1-0-20")).toMatch(/^rgb/);
    expect(await fill("b1-0-09")).toBe(await fill("b1-0-20"));
    expect(await fill("b1-1-05")).not.toBe(await fill("b1-0-20"));
  });

  it("keys: J and K move, A acknowledges and goes on to the next that waits", async () => {
    const { page, service } = await open("mixed");
    await page.locator(".row").first().waitFor();
    const chosen = () => page.locator(".row.chosen .row-cell").textContent();
    expect(await chosen()).toBe("b1-1-08");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    expect(await chosen()).toBe("b1-0-03");
    await page.keyboard.press("k");
    expect(await chosen()).toBe("b1");
    await page.keyboard.press("k");
    await page.getByLabel("On duty").fill("officer 7");
    await page.keyboard.press("Escape");
    await page.locator('[data-zone="b1-1-08"]').click();
    await page.keyboard.press("a");
    await page.locator('[data-zone="b1-1-08"].acked').waitFor();
    expect(service.commands).toMatchObject([{ type: "ack", by: "officer 7" }]);
    await expect.poll(chosen).not.toBe("b1-1-08");
  });

  it("plan without a mouse: Tab reaches a marked cell and a sensor in trouble, Enter shows why", async () => {
    const { page } = await open("mixed");
    await page.locator(".row").first().waitFor();
    await onPlan(page, "b1-0-03").focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator(".evidence h2").textContent()).toBe("b1-0-03");
    await page.getByRole("button", { name: "Sensor b1-s04: offline" }).focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator(".evidence h2").textContent()).toBe("b1-s04");
    expect(await page.locator('.sensor[tabindex="0"]').count()).toBe(2);
  });

  it("typing a name is not a command", async () => {
    const { page, service } = await open("one");
    await page.locator(".row").first().waitFor();
    await page.getByLabel("On duty").pressSequentially("jack");
    expect(service.commands).toEqual([]);
    expect(await page.getByLabel("On duty").inputValue()).toBe("jack");
  });

  it("acknowledging an alert that changed meanwhile: said, not swallowed; the second press works", async () => {
    const { page, service } = await open("one");
    await page.locator(".row").first().waitFor();
    const [alert] = service.alerts();
    const changed = { ...alert!, version: 2, severity: "critical" } as const;
    service.putUnheard(changed);
    await page.keyboard.press("a");
    await page.getByText("The alert changed in that moment.").waitFor();
    expect(service.commands).toEqual([]);
    service.put(changed);
    await page.locator('[data-zone="b1-1-05"].sev-critical').waitFor();
    await page.keyboard.press("a");
    await page.locator('[data-zone="b1-1-05"].acked').waitFor();
  });

  it("shelve and close: with reason and outcome, and the lists follow", async () => {
    const { page, service } = await open("one");
    await page.locator(".row").first().waitFor();
    await page.keyboard.press("s");
    await page.getByLabel("Because").fill("maintenance");
    await page.getByRole("button", { name: "Shelve", exact: true }).click();
    await page.getByRole("button", { name: "Set aside 1" }).click();
    expect(service.commands).toMatchObject([{ type: "shelve", reason: "maintenance" }]);
    await page.keyboard.press("c");
    await page.getByRole("button", { name: "Searched, nothing found" }).click();
    await page.getByRole("button", { name: "Closed 1" }).click();
    await page.getByText("closed: not found").first().waitFor();
    expect(service.commands[1]).toMatchObject({ type: "close", outcome: "not-found" });
  });

  it("sound: armed by a press, repeats while a high alert waits, silent once acknowledged, mute is bounded", async () => {
    const { page } = await open("quiet");
    await page.addInitScript(`
      window.tones = 0;
      const make = AudioContext.prototype.createOscillator;
      AudioContext.prototype.createOscillator = function () { window.tones++; return make.call(this); };
    `);
    await page.reload();
    await page.locator("#age.is-live").waitFor();
    const tones = () => page.evaluate<number>("window.tones");
    const service = services.at(-1)!;
    service.put(fixtureAlert("b1-1-05", Date.now()));
    await page.locator(".row").first().waitFor();
    expect(await tones()).toBe(0);
    await page.getByRole("button", { name: "Sound off: arm" }).click();
    await expect.poll(tones).toBe(4);
    await expect.poll(tones, { timeout: 10_000 }).toBe(7);
    await page.keyboard.press("m");
    await page.getByRole("button", { name: "Muted: sound again" }).click();
    await expect.poll(tones).toBe(10);
    await page.keyboard.press("a");
    await page.locator('[data-zone="b1-1-05"].acked').waitFor();
    const after = await tones();
    await page.waitForTimeout(5000);
    expect(await tones()).toBe(after);
  });

  it("data that stops: amber above 5 s, then the whole map hatched with the words, then well again", async () => {
    const { page, service } = await open("one");
    await page.locator("#age.is-live").waitFor();
    service.ageMs = 6000;
    await page.locator("#age.is-late").waitFor();
    expect(await page.locator(".no-data").count()).toBe(0);
    service.ageMs = 16_000;
    await page.locator(".no-data").waitFor();
    expect(await page.locator(".no-data").textContent()).toContain("NO LIVE DATA");
    service.ageMs = 300;
    await page.locator("#age.is-live").waitFor();
    expect(await page.locator(".no-data").count()).toBe(0);
  });

  it("service gone: said at once, and after its return the page takes up with what changed", async () => {
    const { page, service, server, url } = await open("one");
    await page.locator(".row").first().waitFor();
    await server.close();
    await page.getByText("No connection to the service.").waitFor();
    service.put(fixtureAlert("b1-0-20", Date.now(), { severity: "critical" }));
    const port = Number(new URL(url).port);
    const again = await serveFixture(service, consoleDir, { port });
    servers.push(again.server);
    await page.locator('[data-zone="b1-0-20"].alert').waitFor();
    expect(await page.getByText("No connection to the service.").count()).toBe(0);
    expect(await cells(page)).toEqual(["b1-0-20", "b1-1-05"]);
  });

  it("learning mode: said on top and in the list, which does not call that quiet", async () => {
    const { page, service } = await open("quiet");
    service.learns = [
      { block: "b1", learning: true, firstMs: 1, untilMs: Date.now() + 3_600_000, events: 9, alerts: 4, last: [] },
    ];
    await page.getByText("Learning: phones raise no alarm.").waitFor();
    await page.getByText("No open alerts, and none of phones while b1 is learning.").waitFor();
    expect(await page.getByText("Nothing to report").count()).toBe(0);
  });

  it("lowered alert: its place is outside, and what was told before stands beside it", async () => {
    const { page, service } = await open("quiet");
    const t = Date.now();
    const told = fixtureAlert("b1-1-05", t);
    service.put(told);
    const evidence = { ...told.evidence!, lowered: { at: t, cell: "b1-1-05" } };
    const candidates = [{ cell: "b1-1-05", p: 0.05 }];
    service.put({ ...told, version: 2, severity: "low", cell: null, candidates, p_outside: 0.9, evidence });
    await page.getByText(/^Lowered at .*: told as in b1-1-05 before, now where nobody is held\.$/).waitFor();
    expect(await cells(page)).toEqual(["outside"]);
    expect(await page.locator(".zone.alert").count()).toBe(0);
  });

  it("closing: the form says which alert it is about", async () => {
    const { page } = await open("mixed");
    await page.locator(".row").first().waitFor();
    await page.keyboard.press("a");
    await page.locator('[data-zone="b1-1-08"].acked').waitFor();
    await page.keyboard.press("c");
    const chosen = await page.locator(".row.chosen .row-cell").textContent();
    await page.getByRole("group", { name: `How did ${chosen} end?` }).waitFor();
  });

  it("closing: a form that was opened before the acknowledgement's answer came stays with its alert", async () => {
    const { page } = await open("mixed");
    await page.locator(".row").first().waitFor();
    // A machine that stands still for ten seconds here must not be taken for a service that does not answer.
    await page.evaluate("AbortSignal.timeout = () => new AbortController().signal");
    let answer = () => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route("**/ack", async (route) => {
      const response = await route.fetch();
      await held;
      await route.fulfill({ response });
    });
    await page.keyboard.press("a");
    await page.locator('[data-zone="b1-1-08"].acked').waitFor();
    await page.keyboard.press("c");
    const form = page.getByRole("group", { name: "How did b1-1-08 end?" });
    await form.waitFor();
    const answered = page.waitForResponse("**/ack");
    answer();
    await (await answered).finished();
    // What the page does with the answer it has done by the next frame.
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))");
    expect(await form.isVisible()).toBe(true);
    expect(await page.locator(".row.chosen .row-cell").textContent()).toBe("b1-1-08");
  });

  it("a chosen sensor: its values and the time go on; the mark that it has the focus hides no cell", async () => {
    const { page, service } = await open("one");
    const sensor = page.getByRole("button", { name: "Sensor b1-s11: watching" });
    await sensor.focus();
    await page.keyboard.press("Enter");
    const [before] = service.sensors().filter((s) => s.sensor === "b1-s11");
    const tMs = before!.lastSeenMs! + 3_600_000;
    const channels = before!.channels.map((c) => ({ ...c, tMs, status: "stuck" as const }));
    service.setSensor("b1-s11", { lastSeenMs: tMs, channels });
    await page.locator(".evidence .bar-value", { hasText: "stuck" }).first().waitFor();
    const paris = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "Europe/Paris" }).format(tMs);
    await page.getByText(`last seen ${paris}`).waitFor();
    // An outline of a few pixels is one of a few metres in the drawing.
    const style = (of: string, what: string) => page.evaluate<string>(`getComputedStyle(${of}).${what}`);
    expect(await style("document.activeElement", "outlineStyle")).toBe("none");
    expect(await style('document.activeElement.querySelector(".target")', "stroke")).toMatch(/^rgb/);
    // Also where the focus came by a click, for which the browser has a rule of its own.
    await onPlan(page, "b1-1-05").click();
    expect(await style('document.activeElement.closest("[data-zone]")', "outlineStyle")).toBe("none");
    await page.getByRole("button", { name: /^Sensor b1-s12:/ }).click();
    expect(await style('document.activeElement.closest(".sensor")', "outlineStyle")).toBe("none");
  });

  it("history: minutes of the time axis are not said twice; an old alert's chart is of its own time", async () => {
    const { page, service } = await open("quiet");
    const asked: string[] = [];
    page.on("request", (request) => {
      if (request.url().includes("/history?")) asked.push(request.url());
    });
    const t = Date.now() - 3_600_000;
    await page.addInitScript(`
      window.drawn = {};
      const fill = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, ...rest) {
        if (/^[0-9]+:[0-9]+$/.test(text)) (window.drawn[text] ??= {})[x] = true;
        return fill.call(this, text, x, ...rest);
      };
    `);
    service.points = service.points.slice(-90);
    await page.reload();
    service.put(fixtureAlert("b1-1-05", Date.now()));
    await page.getByText("Last five minutes: loudest").waitFor();
    const places = () => page.evaluate<number[]>("Object.values(window.drawn).map((at) => Object.keys(at).length)");
    await expect.poll(async () => (await places()).length).toBeGreaterThan(0);
    expect(await places()).toEqual((await places()).map(() => 1));
    service.put(fixtureAlert("b1-0-05", t, { severity: "critical" }));
    await page.locator('[data-zone="b1-0-05"]').click();
    await page.getByText("Five minutes until").waitFor();
    expect(new URL(asked.at(-1)!).searchParams.get("to")).toBe(String(t + 60_000));
  });

  it("rings: of the eight loudest sensors, and none of a closed alert", async () => {
    const { page, service } = await open("quiet");
    const told = fixtureAlert("b1-1-05", Date.now());
    const rf = service.site.sensors.filter((s) => s.type === "rf");
    const sensors = rf.map((s, i) => ({ sensor: s.id, band: "lte800-ul", excess_db: 80 - 5 * i, floor_dbm: -100 }));
    service.put({ ...told, evidence: { ...told.evidence!, sensors } });
    await expect.poll(() => page.locator(".hearing").count()).toBe(8);
    const heard = await page.locator(".evidence .bar.loud .bar-fill").all();
    // Louder than what a full bar mostly stands for, and still told apart.
    expect(new Set(await Promise.all(heard.map((bar) => bar.getAttribute("width")))).size).toBe(8);
    service.put({ ...told, version: 2, closed_at: Date.now(), active: false, outcome: "found" });
    await page.getByRole("button", { name: "Closed 1" }).click();
    await page.locator(".row.chosen").waitFor();
    expect(await page.locator(".hearing").count()).toBe(0);
  });

  it("broker away: its reason stands on the page", async () => {
    const { page } = await open("broker-away");
    await page.getByText("refuses the connection; trying again every 5 s.").waitFor();
    expect(await page.getByText("Nothing to report").count()).toBe(0);
  });

  it("evidence: bars per sensor, the distribution with outside, the channel's history drawn", async () => {
    const { page } = await open("one");
    const evidence = page.locator(".evidence");
    await evidence.getByText("b1-s13").first().waitFor();
    expect(await evidence.getByText("outside").count()).toBe(1);
    await evidence.locator("canvas").waitFor();
    await evidence.getByText("Last five minutes: loudest").waitFor();
    await evidence.getByRole("button", { name: /b1-s14/ }).click();
    await evidence.getByText("b1-s14 on LTE 800").waitFor();
    expect(complaints).toEqual([]);
  });

  it("token: asked for, a wrong one refused, the right one opens the page", async () => {
    const { page } = await open("one", { token: "correct-horse-battery" });
    await page.getByLabel("Access token").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("That token is not the right one.").waitFor();
    await page.getByLabel("Access token").fill("correct-horse-battery");
    await page.keyboard.press("Enter");
    await page.locator('[data-zone="b1-1-05"].alert').waitFor();
  });

  it("plan: zooms, pans by keys, shows all of it again", async () => {
    const { page } = await open("quiet");
    const drawing = page.locator(".drawing");
    const box = async () => (await drawing.getAttribute("viewBox"))!.split(" ").map(Number);
    const before = await box();
    await page.keyboard.press("+");
    await expect.poll(async () => (await box())[2]!).toBeLessThan(before[2]!);
    const closer = await box();
    await drawing.focus();
    await page.keyboard.press("ArrowRight");
    await expect.poll(async () => (await box())[0]!).toBeGreaterThan(closer[0]!);
    await page.keyboard.press("0");
    await expect.poll(box).toEqual(before);
  });

  it("small screen: no sideways scrolling, list before plan", async () => {
    const { page } = await open("mixed");
    await page.setViewportSize({ width: 390, height: 844 });
    await page.locator(".row").first().waitFor();
    const widths = await page.evaluate<number[]>("[document.documentElement.scrollWidth, window.innerWidth]");
    expect(widths[0]).toBeLessThanOrEqual(widths[1]!);
    // Whoever acknowledges on a small screen has a name too.
    await page.getByLabel("On duty").waitFor();
    const list = (await page.locator(".list").boundingBox())!;
    const map = (await page.locator(".map").boundingBox())!;
    expect(list.y).toBeLessThan(map.y);
  });

  it.each([
    ["quiet", "dark"],
    ["mixed", "dark"],
    ["mixed", "light"],
    ["stale", "dark"],
  ] as const)("accessibility: %s in %s has no violation of WCAG 2.2 A and AA that axe finds", async (scene, theme) => {
    const { page } = await open(scene);
    await page.emulateMedia({ reducedMotion: "reduce" });
    await page.evaluate(`localStorage.setItem("cellward-theme", "${theme}")`);
    await page.reload();
    await page.locator("[data-zone]").first().waitFor();
    await page.locator("#age").waitFor();
    const axe = new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]);
    const found = (await axe.analyze()).violations;
    expect(found.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual([]);
  });
});
