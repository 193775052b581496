import { describe, expect, it } from "vitest";
import { alertNotes, type ReportInput, reportHtml, reportMarkdown } from "../../../simulator/report.ts";
import { compareScores, matchRun, type RunInput, summarise } from "../../../simulator/score.ts";
import { alert, episode, raise, row, s } from "../../support/scoring.ts";

function input(run: Partial<RunInput>, title = "a day"): ReportInput {
  const rows = [
    matchRun({
      alerts: [],
      truth: [],
      site: row(),
      fromMs: s(0),
      untilMs: s(3600),
      command: (t) => `replay --until ${t}`,
      ...run,
    }),
  ];
  return { title, rows, score: summarise(rows) };
}

const truth = [
  episode("e1", "p1", 100, 160, 3),
  episode("e2", "p2", 500, 560, 6, { activity: "message" }),
  episode("g", "guard", 900, 960, 2, { legitimate: true, cell: "hall-0", y_m: 5 }),
];
const alerts = [raise(alert("a1", 4, 100, 160), 104), raise(alert("a2", 2, 900, 960), 903)];

describe("report", () => {
  it("report: the page asks nothing of the network and runs no script", () => {
    const html = reportHtml(input({ truth, alerts }));
    expect(html).not.toMatch(/<script|https?:\/\/|@import|url\(|<link(?! rel="icon" href="data:,")/i);
    expect(html).toMatch(/default-src 'none'/);
  });

  it("report: names from traces can't become markup", () => {
    const evil = '<img src=x onerror="alert(1)">';
    const html = reportHtml(
      input({ truth: [episode(evil, evil, 100, 160, 3, { activity: evil })], run: evil, command: () => evil }, evil),
    );
    expect(html).not.toContain("<img");
    expect(html).toContain("&lt;img");
  });

  it("report: it shows misses with their commands, the false alert's cause, and every plot", () => {
    const html = reportHtml(input({ truth, alerts }));
    expect(html).toContain(`replay --until ${s(620)}`);
    expect(html).toMatch(/cause: staff/);
    for (const label of [
      "Uses found against false alerts",
      "Stated against true",
      "Uses found by strength",
      "Plan of floor 0",
      "Timeline",
    ]) {
      expect(html).toContain(label);
    }
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("report: alerts of no phone are counted by kind: a run full of sensor faults is not silent", () => {
    const faults = ["f1", "f2"].map((id) => raise({ ...alert(id, 2, 200, 260), kind: "sensor-fault" }, 210));
    const score = input({ truth, alerts: [...alerts, ...faults] });
    for (const text of [reportMarkdown(score), alertNotes(score.score).join()])
      expect(text).toMatch(/alse alerts by cause: staff 1.*other alerts: sensor-fault 2/is);
    expect(alertNotes(input({ truth }).score)).toEqual([]);
  });

  it("report: a false alert that ended outside is drawn at the plan's edge, and what the axis is called is not cut off", () => {
    const away = alert("a2", 2, 900, 960);
    const position = { ...away.position!, x_m: -40, y_m: 90 };
    const html = reportHtml(input({ truth, alerts: [raise({ ...away, position }, 903)] }));
    const plan =
      /<svg[^>]*viewBox="0 0 (\S+) (\S+)"[^>]*>(?:(?!<\/svg>).)*?at last off this plan<\/title><path class="cross" d="M(\S+) (\S+?)l/s;
    const [width, height, x, y] = plan.exec(html)!.slice(1).map(Number) as [number, number, number, number];
    expect(x >= 0 && x + 10 <= width && y >= 0 && y + 10 <= height).toBe(true);
    const axis = /viewBox="0 0 \S+ (\S+)"(?:(?!<\/svg>).)*? y="(\S+)"[^>]*>time since the begin/s.exec(html)!;
    // Letters such as g go a third of their size below the line.
    expect(Number(axis[1]) - Number(axis[2])).toBeGreaterThanOrEqual(5);
  });

  it("report: a silent hour without truth or alerts still makes a page", () => {
    for (const site of [row(), null]) {
      const html = reportHtml(input({ site }));
      expect(html).not.toMatch(/NaN|undefined|Infinity/);
      expect(html).toContain("No use was there to be found.");
    }
  });

  it("report: the same score twice: the same bytes", () => {
    expect(reportHtml(input({ truth, alerts }))).toBe(reportHtml(input({ truth, alerts })));
    expect(reportMarkdown(input({ truth, alerts }))).toBe(reportMarkdown(input({ truth, alerts })));
  });

  it("report: what changed against a baseline is named in page and Markdown", () => {
    const before = input({ truth });
    const now = input({ truth, alerts });
    const changes = compareScores(before.score, now.score);
    for (const text of [reportHtml({ ...now, changes }), reportMarkdown({ ...now, changes })]) {
      expect(text).toMatch(/Against the baseline/);
      expect(text).toMatch(/uses found/);
      expect(text).toMatch(/better/);
    }
    expect(reportMarkdown({ ...now, changes: compareScores(now.score, now.score) })).toContain("Nothing changed.");
  });

  it("report: times are the calendar's", () => {
    // 1700000100 s after the epoch, and a leap day.
    expect(reportMarkdown(input({ truth: [truth[0]!] }))).toContain("2023-11-14 22:15:00");
    const leap = Date.UTC(2024, 1, 29, 12, 0, 0);
    const rows = input({
      truth: [{ ...truth[0]!, start: leap, end: leap + 1000 }],
      fromMs: leap,
      untilMs: leap + 5000,
    });
    expect(reportMarkdown(rows)).toContain("2024-02-29 12:00:00");
  });
});
