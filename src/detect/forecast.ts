/**
 * One step ahead in a series of which nothing is known: a few simple forecasters side by side, and the one that has been best
 * lately speaks. Last value (random walks), moving level (noise), time of day and time of week (rhythm), the latter two with a
 * level of their own that follows slow change.
 */

const DAY_MS = 86_400_000;
const BIN_MS = 900_000;
const DAY_BINS = DAY_MS / BIN_MS;
const WEEK_BINS = 7 * DAY_BINS;
/** The epoch began on a Thursday; which day a week begins with does not matter, only that it repeats. */

const LEVEL_GAIN = 0.12;
const OFFSET_GAIN = 0.04;
/** Errors are averaged over this many rows; a forecaster speaks after so many trials. */
const ERROR_MEMORY = 400;
const TRIALS = 60;
const PROFILE_GAIN = 0.12;

export class Forecast {
  #last = Number.NaN;
  #level = Number.NaN;
  readonly #day = new Float64Array(DAY_BINS).fill(Number.NaN);
  readonly #daySeen = new Uint16Array(DAY_BINS);
  readonly #daySpread = new Float64Array(DAY_BINS);
  readonly #week = new Float64Array(WEEK_BINS).fill(Number.NaN);
  readonly #weekSeen = new Uint16Array(WEEK_BINS);
  /** Offset of the level from each profile; and where a bin was last visited, so that a visit lags by a day or a week. */
  #dayOffset = 0;
  #weekOffset = 0;
  readonly #guess = new Float64Array(4);
  readonly #error = new Float64Array(4);
  readonly #trials = new Uint32Array(4);
  #dayBin = 0;
  #weekBin = 0;
  #best = 1;
  /** Spread by time of day relative to all day: 1 where it isn't known. */
  spread = 1;

  /** What forecaster k said for the row that was predicted last; NaN where it had nothing to say. */
  guess(k: number): number {
    return this.#guess[k]!;
  }

  /** Which forecaster spoke last: 0 last value, 1 level, 2 time of day, 3 time of week. */
  get best(): number {
    return this.#best;
  }

  /** Forecast for the row at `tMs`; NaN before the first row. */
  predict(tMs: number): number {
    const inDay = tMs - Math.floor(tMs / DAY_MS) * DAY_MS;
    this.#dayBin = Math.floor(inDay / BIN_MS);
    this.#weekBin = (Math.floor(tMs / DAY_MS) % 7) * DAY_BINS + this.#dayBin;
    const guess = this.#guess;
    guess[0] = this.#last;
    guess[1] = this.#level;
    guess[2] = this.#day[this.#dayBin]! + this.#dayOffset;
    guess[3] = this.#week[this.#weekBin]! + this.#weekOffset;
    let best = 1;
    for (let k = 0; k < 4; k++) {
      if (this.#trials[k]! >= TRIALS && !Number.isNaN(guess[k]!) && this.#error[k]! < this.#error[best]!) best = k;
    }
    this.#best = best;
    const mean = this.#error[best]!;
    const here = this.#daySpread[this.#dayBin]!;
    this.spread = this.#daySeen[this.#dayBin]! >= 6 && mean > 0 ? 0.5 + 0.5 * Math.min(4, here / mean) : 1;
    return guess[best]!;
  }

  /** Learns the row that was predicted last. */
  learn(x: number): void {
    const guess = this.#guess;
    const reference = this.#error[this.#best]!;
    for (let k = 0; k < 4; k++) {
      const miss = Math.abs(x - guess[k]!);
      if (Number.isNaN(miss)) continue;
      const trials = ++this.#trials[k]!;
      const bounded = reference > 0 && miss > 8 * reference ? 8 * reference : miss;
      this.#error[k]! += (bounded - this.#error[k]!) / Math.min(ERROR_MEMORY, trials);
    }
    const miss = Math.abs(x - guess[this.#best]!);
    this.#last = x;
    this.#level = Number.isNaN(this.#level) ? x : this.#level + LEVEL_GAIN * (x - this.#level);
    this.#profile(x, miss);
  }

  #profile(x: number, miss: number): void {
    const d = this.#dayBin;
    const day = this.#day[d]!;
    if (Number.isNaN(day)) {
      this.#day[d] = x - this.#dayOffset;
    } else {
      const off = x - day - this.#dayOffset;
      this.#dayOffset += OFFSET_GAIN * off;
      this.#day[d] = day + Math.max(PROFILE_GAIN, 1 / (this.#daySeen[d]! + 1)) * off;
    }
    if (this.#daySeen[d]! < 65535) this.#daySeen[d]!++;
    if (!Number.isNaN(miss)) {
      const mean = this.#error[this.#best]!;
      const bounded = mean > 0 ? Math.min(miss, 8 * mean) : miss;
      this.#daySpread[d]! += (bounded - this.#daySpread[d]!) * Math.max(0.05, 1 / (this.#daySeen[d]! + 1));
    }
    const w = this.#weekBin;
    const week = this.#week[w]!;
    if (Number.isNaN(week)) {
      this.#week[w] = x - this.#weekOffset;
    } else {
      const off = x - week - this.#weekOffset;
      this.#weekOffset += OFFSET_GAIN * off;
      this.#week[w] = week + Math.max(2 * PROFILE_GAIN, 1 / (this.#weekSeen[w]! + 1)) * off;
    }
    if (this.#weekSeen[w]! < 65535) this.#weekSeen[w]!++;
  }
}
