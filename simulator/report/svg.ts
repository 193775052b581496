/** Small plots as inline SVG. Colours come from the page's variables, so that they follow its light or dark scheme. */

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
}

export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Maps a range of values to a range of pixels. */
export function scale(from: number, to: number, a: number, b: number): (value: number) => number {
  const span = to - from || 1;
  return (value) => a + ((value - from) / span) * (b - a);
}

/** At most about `count` round numbers within a range. */
export function ticks(from: number, to: number, count: number): number[] {
  const raw = (to - from) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw || 1));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? power;
  const out: number[] = [];
  for (let v = Math.ceil(from / step) * step; v <= to + step * 1e-9; v += step) out.push(Math.round(v / step) * step);
  return out;
}

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly axes: string;
}

const LEFT = 62;
const RIGHT = 24;
const TOP = 10;
const BOTTOM = 38;

/** Axes with grid, numbers and names. */
export function frame(spec: {
  readonly width: number;
  readonly height: number;
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  readonly xName: string;
  readonly yName: string;
  readonly xText?: (v: number) => string;
  readonly yText?: (v: number) => string;
  readonly xTicks?: readonly number[];
}): Frame {
  const { width, height } = spec;
  const x = scale(spec.x[0], spec.x[1], LEFT, width - RIGHT);
  const y = scale(spec.y[0], spec.y[1], height - BOTTOM, TOP);
  const text = (v: number) => String(Math.round(v * 1000) / 1000);
  let axes = "";
  for (const v of ticks(spec.y[0], spec.y[1], 5)) {
    axes += `<line class="grid" x1="${LEFT}" x2="${width - RIGHT}" y1="${px(y(v))}" y2="${px(y(v))}"/>`;
    axes += `<text class="num" x="${LEFT - 6}" y="${px(y(v) + 4)}" text-anchor="end">${escapeHtml((spec.yText ?? text)(v))}</text>`;
  }
  for (const v of spec.xTicks ?? ticks(spec.x[0], spec.x[1], 6)) {
    axes += `<line class="grid" x1="${px(x(v))}" x2="${px(x(v))}" y1="${TOP}" y2="${height - BOTTOM}"/>`;
    axes += `<text class="num" x="${px(x(v))}" y="${height - BOTTOM + 15}" text-anchor="middle">${escapeHtml((spec.xText ?? text)(v))}</text>`;
  }
  axes += `<text class="name" x="${(LEFT + width - RIGHT) / 2}" y="${height - 4}" text-anchor="middle">${escapeHtml(spec.xName)}</text>`;
  axes += `<text class="name" x="12" y="${(TOP + height - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 12 ${(TOP + height - BOTTOM) / 2})">${escapeHtml(spec.yName)}</text>`;
  return { width, height, x, y, axes };
}

/** Wraps marks as an image that names itself to screen readers. */
export function svg(width: number, height: number, label: string, marks: string): string {
  return `<svg viewBox="0 0 ${px(width)} ${px(height)}" role="img" aria-label="${escapeHtml(label)}">${marks}</svg>`;
}

export function path(points: readonly (readonly [number, number])[], cls: string): string {
  if (points.length === 0) return "";
  return `<path class="${cls}" d="M${points.map(([x, y]) => `${px(x)} ${px(y)}`).join("L")}"/>`;
}

/** A dot with its interval as a whisker; `title` shows on hover. */
export function whisker(x: number, y: number, lo: number, hi: number, title: string, radius = 4): string {
  return `<g><title>${escapeHtml(title)}</title><line class="whisker" x1="${px(x)}" x2="${px(x)}" y1="${px(lo)}" y2="${px(hi)}"/><circle class="dot" cx="${px(x)}" cy="${px(y)}" r="${px(radius)}"/></g>`;
}
