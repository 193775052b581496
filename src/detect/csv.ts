/**
 * A CSV of `timestamp,value` through the series detector, chunk by chunk: text in, text out, constant memory, no I/O.
 */
import { SeriesDetector } from "./series.ts";

/** A row that can't be used; the caller turns it into an operating error. */
export class SeriesError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = "SeriesError";
    this.line = line;
  }
}

/** Longest line that is taken: a CSV without line ends must not fill the memory. */
const MAX_LINE = 65_536;

export class SeriesCsv {
  readonly #detector = new SeriesDetector();
  readonly #column: string;
  #rest = "";
  #line = 0;
  #timeAt = -1;
  #valueAt = -1;
  #columns = 0;
  #blankAt = 0;
  /** Rows read and alarms raised so far. */
  rows = 0;
  alarms = 0;

  constructor(column: string) {
    this.#column = column;
  }

  /** Takes more text; gives the output rows it completes. `end` says that no more comes. Throws SeriesError. */
  push(text: string, end = false): string {
    const all = this.#rest + text;
    let out = "";
    let from = 0;
    for (;;) {
      const to = all.indexOf("\n", from);
      if (to < 0) break;
      out += this.#take(all.slice(from, to));
      from = to + 1;
    }
    this.#rest = all.slice(from);
    if (this.#rest.length > MAX_LINE) throw new SeriesError(this.#line + 1, `is longer than ${MAX_LINE} characters`);
    if (end) {
      if (this.#rest !== "") out += this.#take(this.#rest);
      this.#rest = "";
      if (this.#timeAt < 0) throw new SeriesError(1, "the file is empty; the first line must name the columns");
    }
    return out;
  }

  #take(raw: string): string {
    this.#line++;
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (this.#timeAt < 0) return this.#header(line);
    if (line === "") {
      if (this.#blankAt === 0) this.#blankAt = this.#line;
      return "";
    }
    if (this.#blankAt > 0) throw new SeriesError(this.#blankAt, "is blank between rows");
    const cells = line.split(",");
    if (cells.length !== this.#columns) {
      throw new SeriesError(this.#line, `has ${cells.length} columns instead of ${this.#columns}`);
    }
    const stamp = cells[this.#timeAt]!;
    const tMs = parseTimestamp(unquoted(stamp));
    if (Number.isNaN(tMs)) {
      throw new SeriesError(
        this.#line,
        `timestamp ${JSON.stringify(stamp)} is neither epoch milliseconds nor ISO 8601 nor YYYY-MM-DD HH:MM:SS`,
      );
    }
    const cell = unquoted(cells[this.#valueAt]!).trim();
    const value = cell === "" ? Number.NaN : Number(cell);
    if (Number.isNaN(value) && cell !== "" && cell.toLowerCase() !== "nan") {
      throw new SeriesError(this.#line, `value ${JSON.stringify(cell)} is not a number`);
    }
    this.rows++;
    const detector = this.#detector;
    detector.row(tMs, value);
    if (detector.alarm) this.alarms++;
    const score = Number.isFinite(value) ? detector.score : 0;
    return `${stamp},${score.toFixed(4)},${detector.alarm ? 1 : 0}\n`;
  }

  #header(line: string): string {
    const names = (line.startsWith("\uFEFF") ? line.slice(1) : line).split(",").map((n) => unquoted(n).trim());
    this.#columns = names.length;
    const timeAt = names.indexOf("timestamp");
    this.#valueAt = names.indexOf(this.#column);
    if (timeAt < 0 || this.#valueAt < 0) {
      const missing = timeAt < 0 ? "timestamp" : this.#column;
      throw new SeriesError(1, `has no column ${JSON.stringify(missing)}; it has ${JSON.stringify(names)}`);
    }
    this.#timeAt = timeAt;
    return "timestamp,score,alarm\n";
  }
}

function unquoted(cell: string): string {
  return cell.length >= 2 && cell.startsWith('"') && cell.endsWith('"') ? cell.slice(1, -1) : cell;
}

const STAMP = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d)?)?$/i;

/**
 * Epoch milliseconds of a timestamp: epoch milliseconds themselves, or ISO 8601 / `YYYY-MM-DD HH:MM:SS`, UTC where no offset is
 * given. NaN when it is neither, or names a date or time that does not exist.
 */
export function parseTimestamp(text: string): number {
  const t = text.trim();
  if (/^-?\d{1,16}(\.\d+)?$/.test(t)) return Number(t);
  const m = STAMP.exec(t);
  if (!m) return Number.NaN;
  const year = Number(m[1]);
  const month = Number(m[2]);
  const day = Number(m[3]);
  const hour = Number(m[4] ?? 0);
  const minute = Number(m[5] ?? 0);
  const second = Number(m[6] ?? 0);
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 ? (leap ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  if (month < 1 || month > 12 || day < 1 || day > days || hour > 24 || minute > 59 || second > 60) return Number.NaN;
  const ms = m[7] ? Number(`0.${m[7]}`) * 1000 : 0;
  const zone = m[8] ?? "Z";
  const offset =
    zone === "Z" || zone === "z"
      ? 0
      : (zone[0] === "-" ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2)));
  return ((daysFromCivil(year, month, day) * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1000 + ms;
}

/** Days since 1970-01-01 of a proleptic Gregorian date (Hinnant, "chrono-compatible low-level date algorithms"). */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yoe = y - era * 400;
  const doy = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + yoe * 365 + Math.floor(yoe / 4) - Math.floor(yoe / 100) + doy - 719_468;
}
