/** The score as one page that needs nothing but itself, and as Markdown. */
import { maps, nothing, reliabilityPlot, rocPlot, strengthPlot, timeline } from "./report/plots.ts";
import { escapeHtml } from "./report/svg.ts";
import { type Change, type Figure, figures, lossTable, type Score, type SensorLoss } from "./score.ts";
import type { RunRows } from "./scoring/rows.ts";
import type { Share } from "./scoring/stats.ts";

export interface ReportInput {
  readonly title: string;
  readonly rows: readonly RunRows[];
  readonly score: Score;
  readonly changes?: readonly Change[];
  readonly thresholds?: readonly { readonly text: string; readonly ok: boolean; readonly value: number | null }[];
  /** A score for each run or scenario, where there are several. */
  readonly parts?: readonly { readonly name: string; readonly score: Score; readonly expected?: string }[];
  /** What each sensor's loss costs, where that was tried. */
  readonly losses?: readonly SensorLoss[];
}

/** A figure as people read it: `93 %`, `1.2 m`. */
export function showFigure(figure: Pick<Figure, "unit">, value: number | null): string {
  if (value === null) return "-";
  if (figure.unit === "share")
    return `${(100 * value).toFixed(value > 0.995 || value < 0.005 || value > 0.1 ? 0 : 1)} %`;
  if (figure.unit === "count") return String(value);
  if (figure.unit === "per block-day") return value >= 10 ? value.toFixed(0) : value.toFixed(2);
  const text = value.toFixed(value >= 10 ? 0 : value >= 1 ? 1 : 2);
  return figure.unit === "nats" ? text : `${text} ${figure.unit}`;
}

function showInterval(figure: Figure): string {
  if (!figure.interval) return "";
  return `${showFigure(figure, figure.interval[0])} to ${showFigure(figure, figure.interval[1])}`;
}

/** The largest figures first, with the limit beside them where the simulated world is known. */
const TILES = ["recall", "false_per_block_day", "top1", "right_floor", "error_p50_m", "delay_p50_s"];

export function reportHtml(input: ReportInput): string {
  const { score, rows, title } = input;
  const all = figures(score);
  const body = [
    `<header><h1>${escapeHtml(title)}</h1><p>${escapeHtml(summaryLine(score))}</p>${thresholdList(input)}</header>`,
    `<section class="tiles" aria-label="Main figures">${TILES.map((name) => tile(all.find((f) => f.name === name)!, score, input.changes)).join("")}</section>`,
    changeTable(input.changes, all),
    partTable(input.parts),
    section("Worst misses", worstTable(score)),
    `<div class="pair">${section("Detection by strength", strengthPlot(score))}${section("Threshold raised", `${rocPlot(score)}<p class="note">x 1 is the threshold in use; alerts weaker than it were never raised, so the curve has no lower end.</p>`)}</div>`,
    `<div class="pair">${section("Are the probabilities true?", `${reliabilityPlot(score)}${setList(score)}`)}${section("Counts", countTables(score))}</div>`,
    section("Where", mapSection(rows)),
    section("When", timelineSection(rows)),
    section("What each sensor's loss costs", lossSection(input.losses)),
    section("All figures", figureTable(all, score)),
    section("Cells taken for others", confusionTable(score)),
    `<footer>${DEFINITIONS}</footer>`,
  ].join("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}

function summaryLine(score: Score): string {
  const { uses } = score.detection;
  const runs = score.runs === 1 ? "One run" : `${score.runs} runs`;
  return `${runs}, ${score.span.hours < 2 ? `${Math.round(score.span.hours * 60)} min` : `${score.span.hours.toFixed(1)} h`} observed (${score.span.block_days} block-days): ${uses.hits} of ${uses.n} contraband uses found, ${score.alerts.false} false ${score.alerts.false === 1 ? "alert" : "alerts"}, ${score.alerts.doubles} ${score.alerts.doubles === 1 ? "double" : "doubles"}.`;
}

function thresholdList(input: ReportInput): string {
  if (!input.thresholds || input.thresholds.length === 0) return "";
  const items = input.thresholds.map(
    (t) =>
      `<li class="${t.ok ? "good" : "bad"}">${t.ok ? "met" : "missed"}: <code>${escapeHtml(t.text)}</code>${t.value === null ? " (no value)" : ` (${t.value})`}</li>`,
  );
  return `<ul class="thresholds">${items.join("")}</ul>`;
}

function limitOf(name: string, score: Score): string | null {
  const limit = score.limit;
  if (!limit) return null;
  const share = (s: Share | null) => (s?.rate == null ? null : `${Math.round(s.rate * 100)} %`);
  if (name === "recall") return share(limit.recall);
  if (name === "top1") return share(limit.top1);
  if (name === "top3") return share(limit.top3);
  if (name === "delay_p50_s") return limit.delay_p50_s === null ? null : `${limit.delay_p50_s} s`;
  return null;
}

function tile(figure: Figure, score: Score, changes: readonly Change[] | undefined): string {
  const change = changes?.find((c) => c.name === figure.name);
  const limit = limitOf(figure.name, score);
  const lines = [
    figure.interval ? `<span>95 %: ${showInterval(figure)}</span>` : "",
    limit ? `<span>limit: ${limit}</span>` : "",
    change && change.verdict !== "unknown" && change.verdict !== "same"
      ? `<span class="${change.verdict === "better" ? "good" : "bad"}">${change.verdict}: was ${showFigure(figure, change.before)}</span>`
      : "",
  ];
  return `<div class="tile"><h2>${escapeHtml(figure.label)}</h2><strong>${showFigure(figure, figure.value)}</strong>${lines.join("")}</div>`;
}

function section(heading: string, content: string): string {
  return content === "" ? "" : `<section><h2>${escapeHtml(heading)}</h2>${content}</section>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[], numeric: readonly number[] = []): string {
  const cls = (i: number) => (numeric.includes(i) ? ' class="n"' : "");
  const top = head.map((h, i) => `<th scope="col"${cls(i)}>${h}</th>`).join("");
  const body = rows.map((r) => `<tr>${r.map((c, i) => `<td${cls(i)}>${c}</td>`).join("")}</tr>`).join("");
  return `<div class="scroll"><table><thead><tr>${top}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function changeTable(changes: readonly Change[] | undefined, all: readonly Figure[]): string {
  if (!changes) return "";
  const moved = changes.filter((c) => c.verdict === "better" || c.verdict === "worse");
  if (moved.length === 0) return section("Against the baseline", nothing("Nothing changed."));
  const rows = moved.map((c) => {
    const figure = all.find((f) => f.name === c.name)!;
    const mark = `<span class="${c.verdict === "better" ? "good" : "bad"}">${c.verdict}${c.beyond_noise ? ", beyond chance" : ""}</span>`;
    return [escapeHtml(c.label), showFigure(figure, c.before), showFigure(figure, c.after), mark];
  });
  return section("Against the baseline", table(["figure", "before", "now", ""], rows, [1, 2]));
}

function partTable(parts: ReportInput["parts"]): string {
  if (!parts || parts.length === 0) return "";
  const names = ["recall", "false", "doubles", "top1", "top3", "right_floor", "error_p50_m", "delay_p50_s"];
  const heads = figures(parts[0]!.score);
  const rows = parts.map((p) => {
    const all = figures(p.score);
    return [
      escapeHtml(p.name),
      String(p.score.detection.uses.n),
      ...names.map((n) => {
        const f = all.find((x) => x.name === n)!;
        return showFigure(f, f.value);
      }),
      escapeHtml(p.expected ?? ""),
    ];
  });
  const columns = names.map((n) => escapeHtml(heads.find((f) => f.name === n)!.label));
  return section("By scenario", table(["scenario", "uses", ...columns, ""], rows, [1, 2, 3, 4, 5, 6, 7, 8, 9]));
}

function worstTable(score: Score): string {
  if (score.worst.length === 0) return nothing("None: every use was found in its cell, and nothing false was raised.");
  const items = score.worst.map(
    (m) =>
      `<li><p><span class="tag ${m.what}">${m.what}</span> ${escapeHtml(m.id)} <time>${time(m.at)} UTC</time><br>${escapeHtml(m.why)}</p>${m.command ? `<pre><code>${escapeHtml(m.command)}</code></pre>` : ""}</li>`,
  );
  return `<ol class="misses">${items.join("")}</ol>`;
}

function time(ms: number): string {
  // Epoch ms to ISO without a clock: the simulator's layer has none.
  const days = Math.floor(ms / 86_400_000);
  const [y, m, d] = civil(days);
  const s = Math.floor((ms - days * 86_400_000) / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${y}-${two(m)}-${two(d)} ${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** Days since 1970 to year, month, day: Hinnant, "chrono-compatible low-level date algorithms". */
function civil(daysSince1970: number): [number, number, number] {
  const z = daysSince1970 + 719_468;
  const era = Math.floor(z / 146_097);
  const doe = z - era * 146_097;
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36_524) - Math.floor(doe / 146_096)) / 365);
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  return [yoe + era * 400 + (month <= 2 ? 1 : 0), month, doy - Math.floor((153 * mp + 2) / 5) + 1];
}

function setList(score: Score): string {
  const { sets, top } = score.calibration;
  if (top.stated === null) return "";
  const held = sets.map(
    (s) =>
      `The sets that claim ${s.level * 100} % hold the true cell ${s.rate === null ? "-" : Math.round(s.rate * 100)} % of the time, with ${(s.mean_cells ?? 0).toFixed(1)} cells on average.`,
  );
  return `<p class="note">Leading cells state ${Math.round(100 * top.stated)} % and are right ${Math.round(100 * (top.right ?? 0))} % of the time. ${held.join(" ")}</p>`;
}

function countTables(score: Score): string {
  const bar = (s: Share) => `<span class="meter"><i style="width:${Math.round(100 * (s.rate ?? 0))}%"></i></span>`;
  const activity = table(
    ["activity", "uses", "found", "", "95 %"],
    score.detection.by_activity.map((a) => [
      escapeHtml(a.activity),
      String(a.n),
      `${Math.round(100 * (a.rate ?? 0))} %`,
      bar(a),
      `${Math.round(100 * a.lo)} to ${Math.round(100 * a.hi)} %`,
    ]),
    [1, 2],
  );
  const causes = Object.entries(score.alerts.false_by_cause).map(([cause, n]) => [cause, String(n)]);
  const kinds = Object.entries(score.alerts.other_kinds).map(([kind, n]) => [
    `other alerts: ${escapeHtml(kind)}`,
    String(n),
  ]);
  return `${activity}${table(["false alerts by cause", "count"], [...causes, ...kinds], [1])}`;
}

/** Runs on the same plan share a map; the first plan is open, others fold out. */
function mapSection(rows: readonly RunRows[]): string {
  const groups = new Map<string, RunRows[]>();
  for (const run of rows) {
    if (run.zones.length === 0) continue;
    const key = JSON.stringify(run.zones);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  if (groups.size === 0) return nothing("Without a site file there is no plan to draw on.");
  const legend = `<p class="legend"><span><i class="spot right"></i>right cell</span><span><i class="spot beside"></i>another cell of the floor (line to where it was said to be)</span><span><i class="spot upstairs"></i>wrong floor</span><span><i class="hole missed"></i>missed</span><span><i class="hole covered"></i>same door as an open alert</span><span><i class="crossmark">×</i>false alert</span></p>`;
  const parts = [...groups.values()].map((runs, i) =>
    groups.size === 1
      ? maps(runs)
      : `<details${i === 0 ? " open" : ""}><summary>${escapeHtml(
          runs
            .map((r) => r.run)
            .slice(0, 6)
            .join(", "),
        )}${runs.length > 6 ? ` and ${runs.length - 6} more` : ""}</summary>${maps(runs)}</details>`,
  );
  return legend + parts.join("");
}

function timelineSection(rows: readonly RunRows[]): string {
  const legend = `<p class="legend"><span><i class="bar found"></i>found</span><span><i class="bar missed"></i>missed</span><span><i class="bar covered"></i>same door as an open alert</span><span><i class="bar other"></i>may transmit, or is no phone</span><span><i class="tri match"></i>alert</span><span><i class="tri double"></i>double</span><span><i class="tri false"></i>false alert</span></p>`;
  if (rows.length === 1) return legend + timeline(rows[0]!);
  // What went wrong unfolds by itself; what went right waits.
  const parts = rows.map((run) => {
    const missed = run.uses.filter((u) => u.alert === null).length;
    const wrong = run.raised.filter((r) => r.verdict === "false").length;
    const open = missed + wrong > 0 && rows.length <= 8;
    return `<details${open ? " open" : ""}><summary>${escapeHtml(run.run)}: ${run.uses.length - missed} of ${run.uses.length} found, ${wrong} false</summary>${timeline(run)}</details>`;
  });
  return legend + parts.join("");
}

function figureTable(all: readonly Figure[], score: Score): string {
  const rows = all.map((f) => [
    escapeHtml(f.label),
    `<code>${f.name}</code>`,
    showFigure(f, f.value),
    showInterval(f),
    limitOf(f.name, score) ?? "",
  ]);
  const head = ["figure", "name for --threshold", "value", "95 % interval", "limit"];
  const columns = score.limit ? 5 : 4;
  return table(
    head.slice(0, columns),
    rows.map((r) => r.slice(0, columns)),
    [2, 3, 4],
  );
}

function lossSection(losses: ReportInput["losses"]): string {
  if (losses === undefined) return "";
  const { head, rows } = lossTable(losses);
  const numeric = head.map((_, i) => i).slice(1);
  return `${table(
    head.map(escapeHtml),
    rows.map((r) => r.map(escapeHtml)),
    numeric,
  )}<p class="note">The same run again without each sensor; points are percentage points of all uses.</p>`;
}

const MAX_CONFUSIONS = 20;

function confusionTable(score: Score): string {
  if (score.confusion.length === 0) return nothing("None.");
  const rows = score.confusion
    .slice(0, MAX_CONFUSIONS)
    .map((c) => [escapeHtml(c.truth), escapeHtml(c.said), String(c.n)]);
  const more = score.confusion.length - rows.length;
  return `${table(["was in", "said to be in", "times"], rows, [2])}${more > 0 ? nothing(`${more} further pairs are in score.json.`) : ""}`;
}

const DEFINITIONS = `<p>A use is a contraband phone's transmissions with pauses under a minute. Alerts and uses are matched one to one. A double is a second alert for a use that has one; a false alert answers no use. Intervals: Wilson for shares, Poisson for rates, 95 %. Places are those of an alert's last word. Definitions in full: docs/replay.md.</p>`;

const STYLE = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1b2430;--soft:#5b6675;--line:#d8dde4;--panel:#f5f7f9;--accent:#1f5fbf;--good:#1a7f37;--bad:#c0272d;--warn:#a86400;--zone:#eef1f5}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--fg:#e4e9f0;--soft:#9aa6b5;--line:#323b47;--panel:#1a2029;--accent:#79aef5;--good:#57c475;--bad:#ff7a78;--warn:#e3ab4d;--zone:#1d242e}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:20px 16px 48px}h1{font-size:1.5rem;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:0 0 10px}
section{margin:28px 0 0}header p{margin:0;color:var(--soft)}.note,.legend{color:var(--soft);font-size:.87rem;margin:8px 0}
.thresholds{list-style:none;padding:0;margin:10px 0 0;display:flex;flex-wrap:wrap;gap:6px 18px}.good{color:var(--good)}.bad{color:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px}.tile{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:10px 12px}
.tile h2{font-size:.84rem;font-weight:500;color:var(--soft);margin:0}.tile strong{display:block;font-size:1.6rem;line-height:1.3}.tile span{display:block;font-size:.8rem;color:var(--soft)}.tile span.good{color:var(--good)}.tile span.bad{color:var(--bad)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:0 28px}svg{display:block;width:100%;height:auto;max-width:100%}figure{margin:0 0 16px}figcaption{font-size:.9rem;color:var(--soft);margin-bottom:4px}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem;margin-bottom:10px}th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:500}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code{font:.82rem/1.4 ui-monospace,SFMono-Regular,Menlo,monospace;overflow-wrap:anywhere;user-select:all}time{color:var(--soft);font-size:.82rem;white-space:nowrap}.misses{padding:0;margin:0;list-style:none}.misses li{border-top:1px solid var(--line);padding:8px 0}.misses p{margin:0}pre{margin:4px 0 0;overflow-x:auto;background:var(--panel);border-radius:4px;padding:5px 8px}pre code{white-space:pre-wrap}td code{white-space:nowrap}.tag{white-space:nowrap;font-weight:600}.tag.missed,.tag.false{color:var(--bad)}.tag.wrong-place,.tag.late{color:var(--warn)}
.meter{display:inline-block;width:90px;height:8px;background:var(--line);border-radius:4px;overflow:hidden}.meter i{display:block;height:100%;background:var(--good)}
.grid{stroke:var(--line);stroke-width:1}.num{font-size:11px;fill:var(--soft)}.strong{font-weight:600;fill:var(--fg)}.name{font-size:12px;fill:var(--fg)}.line{fill:none;stroke:var(--accent);stroke-width:2}.dot{fill:var(--accent)}.whisker{stroke:var(--accent);stroke-width:1.5;opacity:.6}.ideal{stroke:var(--soft);stroke-dasharray:4 4}
.zone{fill:var(--zone);stroke:var(--line)}.label{font-size:10px;fill:var(--soft);opacity:.8}.spot.right{fill:var(--good)}.spot.beside{fill:var(--warn)}.spot.upstairs{fill:var(--bad)}.error{stroke:var(--warn);stroke-width:1.5}.hole{fill:none;stroke-width:2.5}.hole.missed{stroke:var(--bad)}.hole.covered{stroke:var(--soft)}.cross{stroke:var(--bad);stroke-width:2.5;fill:none}
.bar.found{fill:var(--good)}.bar.missed{fill:var(--bad)}.bar.covered{fill:var(--soft)}.bar.other{fill:var(--line)}.raise.match{fill:var(--good)}.raise.double{fill:var(--warn)}.raise.false{fill:var(--bad)}
.legend span{display:inline-flex;align-items:center;gap:5px;margin-right:14px}.legend i{display:inline-block;width:11px;height:11px;border-radius:50%}.legend i.bar{border-radius:2px;width:18px}.legend i.spot.right,.legend i.bar.found{background:var(--good)}.legend i.spot.beside{background:var(--warn)}.legend i.spot.upstairs,.legend i.bar.missed{background:var(--bad)}.legend i.bar.covered{background:var(--soft)}.legend i.bar.other{background:var(--line)}.legend i.hole{border:2.5px solid var(--bad)}.legend i.hole.covered{border-color:var(--soft)}.legend i.crossmark{color:var(--bad);font-style:normal;font-weight:700;line-height:11px}.legend i.tri{width:0;height:0;border-radius:0;border:6px solid transparent;border-top:0;border-bottom:11px solid var(--good)}.legend i.tri.double{border-bottom-color:var(--warn)}.legend i.tri.false{border-bottom-color:var(--bad)}
details{border-top:1px solid var(--line);padding:6px 0}summary{cursor:pointer}footer{margin-top:32px;color:var(--soft);font-size:.85rem}
@media print{details{break-inside:avoid}section{break-inside:avoid}}
`;

/** What else there is to say of the alerts: what made the false ones, and how many were of no phone. One text each. */
export function alertNotes({ alerts }: Score): string[] {
  const list = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .filter(([, n]) => n > 0)
      .map(([name, n]) => `${name} ${n}`)
      .join(", ");
  const [causes, kinds] = [list(alerts.false_by_cause), list(alerts.other_kinds)];
  return [
    ...(causes === "" ? [] : [`false alerts by cause: ${causes}`]),
    ...(kinds === "" ? [] : [`other alerts: ${kinds}`]),
  ];
}

/** The same in short, for terminals, pull requests and diffs. */
export function reportMarkdown(input: ReportInput): string {
  const { score } = input;
  const all = figures(score);
  const lines = [`# ${input.title}`, "", summaryLine(score), ""];
  for (const t of input.thresholds ?? [])
    lines.push(`- ${t.ok ? "met" : "**missed**"}: \`${t.text}\` (${t.value ?? "no value"})`);
  if ((input.thresholds ?? []).length > 0) lines.push("");
  lines.push("| figure | value | 95 % interval | limit |", "|---|---:|---:|---:|");
  for (const f of all)
    lines.push(`| ${f.label} | ${showFigure(f, f.value)} | ${showInterval(f)} | ${limitOf(f.name, score) ?? ""} |`);
  for (const text of alertNotes(score)) lines.push("", `${text[0]!.toUpperCase()}${text.slice(1)}.`);
  const moved = (input.changes ?? []).filter((c) => c.verdict === "better" || c.verdict === "worse");
  if (input.changes) {
    lines.push("", "## Against the baseline", "");
    if (moved.length === 0) lines.push("Nothing changed.");
    else lines.push("| figure | before | now | |", "|---|---:|---:|---|");
    for (const c of moved) {
      const f = all.find((x) => x.name === c.name)!;
      lines.push(
        `| ${c.label} | ${showFigure(f, c.before)} | ${showFigure(f, c.after)} | ${c.verdict}${c.beyond_noise ? ", beyond chance" : ""} |`,
      );
    }
  }
  if (input.parts && input.parts.length > 0) lines.push("", "## By scenario", "", ...partLines(input.parts));
  if (input.losses !== undefined) {
    const { head, rows } = lossTable(input.losses);
    lines.push(
      "",
      "## What each sensor's loss costs",
      "",
      `| ${head.join(" | ")} |`,
      `|---|${"---:|".repeat(head.length - 1)}`,
    );
    for (const row of rows) lines.push(`| ${row.join(" | ")} |`);
  }
  lines.push("", "## Worst misses", "");
  if (score.worst.length === 0) lines.push("None.");
  for (const m of score.worst)
    lines.push(`- **${m.what}** ${m.id} at ${time(m.at)}: ${m.why}${m.command ? `\n  \`${m.command}\`` : ""}`);
  return `${lines.join("\n")}\n`;
}

/** The table of scenarios, as the report and the README show it. */
export function partLines(parts: NonNullable<ReportInput["parts"]>): string[] {
  const out = [
    "| scenario | uses | found | false alerts | right cell | among three | right floor | median error | time to alert |",
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
  ];
  for (const p of parts) {
    const all = new Map(figures(p.score).map((f) => [f.name, showFigure(f, f.value)]));
    const cells = ["recall", "false", "top1", "top3", "right_floor", "error_p50_m", "delay_p50_s"].map((n) => {
      const limit = limitOf(n, p.score);
      return `${all.get(n)}${limit ? ` (limit ${limit})` : ""}`;
    });
    out.push(`| ${p.name} | ${p.score.detection.uses.n} | ${cells.join(" | ")} |`);
  }
  return out;
}
