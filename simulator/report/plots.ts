/** The report's plots: what a tester looks at before reading numbers. */
import type { RunRows, Score, UseRow } from "../score.ts";
import { escapeHtml, frame, path, px, scale, svg, whisker } from "./svg.ts";

const percent = (v: number) => `${Math.round(v * 100)} %`;

/** Uses found against false alerts, as the threshold rises from the one in use. */
export function rocPlot(score: Score): string {
  const points = score.roc.filter((r) => r.recall !== null && r.false_per_block_day !== null);
  if (points.length === 0) return nothing("No use was there to be found.");
  const most = Math.max(...points.map((p) => p.false_per_block_day!), 0);
  const f = frame({
    width: 420,
    height: 260,
    x: [0, most > 0 ? most * 1.08 : 1],
    y: [0, 1],
    xName: "false alerts per block-day",
    yName: "uses found",
    yText: percent,
  });
  const at = points.map((p) => [f.x(p.false_per_block_day!), f.y(p.recall!)] as const);
  let marks = f.axes + path(at, "line");
  points.forEach((p, i) => {
    const [x, y] = at[i]!;
    const title = `threshold x ${p.ratio}: ${percent(p.recall!)} found, ${p.false_per_block_day} false alerts per block-day`;
    marks += `<g><title>${escapeHtml(title)}</title><circle class="dot" cx="${px(x)}" cy="${px(y)}" r="4"/></g>`;
    // Labels where they do not lie on each other: at the ends and where the curve has moved.
    const before = at[i - 1];
    if (i === 0 || (before && Math.hypot(x - before[0], y - before[1]) > 22)) {
      const right = x > 330;
      marks += `<text class="num" x="${px(x + (right ? -7 : 7))}" y="${px(y < 24 ? y + 14 : y - 6)}" text-anchor="${right ? "end" : "start"}">x ${p.ratio}</text>`;
    }
  });
  return svg(f.width, f.height, "Uses found against false alerts per block-day, by threshold", marks);
}

/** Stated against true probability. */
export function reliabilityPlot(score: Score): string {
  const rows = score.calibration.reliability;
  if (rows.length === 0) return nothing("No alert was matched, so there is no stated probability to check.");
  const f = frame({
    width: 420,
    height: 260,
    x: [0, 1],
    y: [0, 1],
    xName: "stated probability of a cell",
    yName: "how often it was that cell",
    xText: percent,
    yText: percent,
  });
  const most = Math.max(...rows.map((r) => r.n));
  let marks = `${f.axes}<line class="ideal" x1="${px(f.x(0))}" y1="${px(f.y(0))}" x2="${px(f.x(1))}" y2="${px(f.y(1))}"/>`;
  for (const r of rows) {
    const title = `stated ${percent(r.stated ?? 0)}: true ${percent(r.rate ?? 0)} of ${r.n} (${percent(r.lo)} to ${percent(r.hi)})`;
    marks += whisker(f.x(r.stated ?? 0), f.y(r.rate ?? 0), f.y(r.lo), f.y(r.hi), title, 3 + 4 * Math.sqrt(r.n / most));
  }
  return svg(f.width, f.height, "Stated against true probability of cells", marks);
}

/** Detection rate over how strong the phone was: over the floor where physics are known, else radiated. */
export function strengthPlot(score: Score): string {
  const byExcess = score.detection.by_excess_db.length > 0;
  const rows = byExcess ? score.detection.by_excess_db : score.detection.by_eirp_dbm;
  if (rows.length === 0) return nothing("No use was there to be found.");
  const f = frame({
    width: 420,
    height: 260,
    x: [rows[0]!.from, rows[rows.length - 1]!.to],
    y: [0, 1],
    xName: byExcess ? "excess over the floor at the best sensor, dB" : "radiated power (EIRP), dBm",
    yName: "uses found",
    yText: percent,
  });
  let marks = f.axes;
  marks += path(
    rows.map((r) => [f.x((r.from + r.to) / 2), f.y(r.rate ?? 0)] as const),
    "line",
  );
  for (const r of rows) {
    const title = `${r.from} to ${r.to} dB: ${r.hits} of ${r.n} found`;
    marks += whisker(f.x((r.from + r.to) / 2), f.y(r.rate ?? 0), f.y(r.lo), f.y(r.hi), title);
  }
  return svg(f.width, f.height, "Uses found by strength", marks);
}

const LANE_PX = 18;
const MAX_LANES = 40;

/** Who was on the air when, and when alerts were raised. */
export function timeline(run: RunRows): string {
  const emitters = [...new Set(run.uses.map((u) => u.emitter))];
  const others = [...new Set(run.bystanders.map((b) => b.emitter))];
  const lanes = [...emitters, ...others].slice(0, MAX_LANES);
  const hidden = emitters.length + others.length - lanes.length;
  const width = 900;
  const left = 130;
  // Under the lanes the axis, its figures and its name.
  const height = (lanes.length + 1) * LANE_PX + 40;
  const x = scale(run.fromMs, run.untilMs, left, width - 12);
  let marks = timeAxis(run, x, height - 36, (lanes.length + 1) * LANE_PX + 4);
  lanes.forEach((emitter, i) => {
    const y = i * LANE_PX + 4;
    marks += `<text class="num" x="${left - 8}" y="${y + 11}" text-anchor="end">${escapeHtml(emitter.slice(0, 18))}</text>`;
    for (const b of run.bystanders) {
      if (b.emitter !== emitter) continue;
      marks += bar(x, b.start, b.end, y, "other", `${b.emitter} (${b.cause}), ${seconds(b.end - b.start)}`);
    }
    for (const u of run.uses) {
      if (u.emitter !== emitter) continue;
      const verdict = u.alert !== null ? "found" : u.covered ? "covered" : "missed";
      const after = u.delay_s === null ? "" : ` after ${u.delay_s} s`;
      const title = `${u.activity} in ${u.cell}, ${seconds(u.end - u.start)}: ${verdict}${after}`;
      marks += bar(x, u.start, u.end, y, verdict, title);
    }
  });
  const y = lanes.length * LANE_PX + 4;
  marks += `<text class="num strong" x="${left - 8}" y="${y + 11}" text-anchor="end">alerts</text>`;
  for (const r of run.raised) {
    const title = `alert in ${r.cell ?? "no cell"}: ${r.verdict}${r.cause ? ` (${r.cause})` : ""}, ${r.strength} times the threshold`;
    marks += `<g><title>${escapeHtml(title)}</title><path class="raise ${r.verdict}" d="M${px(x(r.t))} ${y}l5 12h-10z"/></g>`;
  }
  const more = hidden > 0 ? `<p class="note">${hidden} further emitters are not drawn.</p>` : "";
  return `${svg(width, height, `Timeline of ${run.run || "the run"}`, marks)}${more}`;
}

function timeAxis(run: RunRows, x: (t: number) => number, y: number, bottom: number): string {
  const span = Math.max(1, run.untilMs - run.fromMs);
  const step =
    [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400]
      .map((v) => v * 1000)
      .find((v) => span / v <= 9) ?? 7 * 86_400_000;
  let marks = "";
  for (let t = 0; t <= span; t += step) {
    const at = x(run.fromMs + t);
    marks += `<line class="grid" x1="${px(at)}" x2="${px(at)}" y1="0" y2="${px(bottom)}"/>`;
    marks += `<text class="num" x="${px(at)}" y="${px(y + 14)}" text-anchor="middle">${clock(t)}</text>`;
  }
  return `${marks}<text class="name" x="452" y="${px(y + 28)}" text-anchor="middle">time since the begin</text>`;
}

function clock(ms: number): string {
  const s = Math.round(ms / 1000);
  const parts = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60].map((n) => String(n).padStart(2, "0"));
  return parts[0] === "00" ? `${parts[1]}:${parts[2]}` : `${parts[0]}:${parts[1]}:${parts[2]}`;
}

function bar(x: (t: number) => number, from: number, to: number, y: number, cls: string, title: string): string {
  const at = x(from);
  const width = Math.max(2, x(to) - at);
  return `<g><title>${escapeHtml(title)}</title><rect class="bar ${cls}" x="${px(at)}" y="${y}" width="${px(width)}" height="12" rx="2"/></g>`;
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

/** Each floor's plan: where phones were, where the alerts said they were, what was missed and what was false. */
export function maps(runs: readonly RunRows[]): string {
  const floors = [...new Set(runs.flatMap((r) => r.zones.map((z) => z.floor)))].filter((f) => f !== null);
  return floors.map((floor) => floorMap(runs, floor)).join("");
}

/** Half the size of a cross and its stroke. */
const CROSS_PX = 7;

const within = (v: number, low: number, high: number) => Math.min(Math.max(v, low), high);

function floorMap(runs: readonly RunRows[], floor: string): string {
  const zones = runs[0]!.zones.filter((z) => z.floor === floor);
  const points = zones.flatMap((z) => z.polygon) as [number, number][];
  if (points.length === 0) return "";
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => p[1]);
  const [x0, x1, y0, y1] = [Math.min(...xs) - 1, Math.max(...xs) + 1, Math.min(...ys) - 1, Math.max(...ys) + 1];
  const width = 900;
  const k = width / (x1 - x0);
  const height = Math.min(560, Math.max(60, (y1 - y0) * k));
  const zoom = Math.min(k, height / (y1 - y0));
  const shift = (width - (x1 - x0) * zoom) / 2;
  const x = (v: number) => shift + (v - x0) * zoom;
  const y = (v: number) => height - (v - y0) * zoom;
  let marks = "";
  for (const z of zones) {
    const ring = z.polygon.map((p) => `${px(x(p[0]!))},${px(y(p[1]!))}`).join(" ");
    marks += `<polygon class="zone" points="${ring}"><title>${escapeHtml(z.id)}</title></polygon>`;
    const left = Math.min(...z.polygon.map((p) => x(p[0]!)));
    const right = Math.max(...z.polygon.map((p) => x(p[0]!)));
    const top = Math.min(...z.polygon.map((p) => y(p[1]!)));
    // The last part of an id tells neighbours apart, where there is room for it.
    const label = z.id.split("-").at(-1)!;
    if (right - left > 7 * label.length) {
      marks += `<text class="label" x="${px(left + 4)}" y="${px(top + 12)}">${escapeHtml(label)}</text>`;
    }
  }
  const uses = runs.flatMap((r) => r.uses).filter((u) => u.floor === floor);
  for (const u of uses) marks += useMark(u, floor, x, y);
  for (const r of runs.flatMap((run) => run.raised)) {
    if (r.verdict !== "false" || r.floor !== floor || r.x_m === null || r.y_m === null) continue;
    // An alert that ended outside stands at the edge towards where it ended.
    const cx = within(x(r.x_m), CROSS_PX, width - CROSS_PX);
    const cy = within(y(r.y_m), CROSS_PX, height - CROSS_PX);
    const off = cx === x(r.x_m) && cy === y(r.y_m) ? "" : ", at last off this plan";
    const title = `false alert (${r.cause}) in ${r.cell}${off}`;
    marks += `<g><title>${escapeHtml(title)}</title><path class="cross" d="M${px(cx - 5)} ${px(cy - 5)}l10 10m0 -10l-10 10"/></g>`;
  }
  const count = `${uses.filter((u) => u.alert !== null).length} of ${uses.length} uses found`;
  return `<figure><figcaption>Floor ${escapeHtml(floor)}: ${count}</figcaption>${svg(width, height, `Plan of floor ${floor} with errors`, marks)}</figure>`;
}

function useMark(u: UseRow, floor: string, x: (v: number) => number, y: (v: number) => number): string {
  const [ux, uy] = [x(u.x_m), y(u.y_m)];
  const said = u.in_the_end;
  if (said === null) {
    const title = `${u.covered ? "covered" : "missed"}: ${u.activity} in ${u.cell}`;
    return `<g><title>${escapeHtml(title)}</title><circle class="hole ${u.covered ? "covered" : "missed"}" cx="${px(ux)}" cy="${px(uy)}" r="5"/></g>`;
  }
  const wrongFloor = said.floor !== floor;
  const right = said.rank === 1;
  const title = `${u.activity} in ${u.cell}; said ${said.cell}${wrongFloor ? `, floor ${said.floor}` : ""}, ${said.error_m ?? "?"} m off`;
  const line =
    said.x_m === null || said.y_m === null || wrongFloor
      ? ""
      : `<line class="error" x1="${px(ux)}" y1="${px(uy)}" x2="${px(x(said.x_m))}" y2="${px(y(said.y_m))}"/>`;
  return `<g><title>${escapeHtml(title)}</title>${line}<circle class="spot ${right ? "right" : wrongFloor ? "upstairs" : "beside"}" cx="${px(ux)}" cy="${px(uy)}" r="4"/></g>`;
}

export function nothing(text: string): string {
  return `<p class="note">${escapeHtml(text)}</p>`;
}
