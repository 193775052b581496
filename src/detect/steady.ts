/**
 * Whether what stands out of the floor is as steady as the floor: an amplifier's step, a busier base station, a carrier that was switched
 * on. No phone is: its bursts fade, it pauses and its power is controlled. Judged by the spread of the levels of whole windows.
 */
import { DB_PER_NEPER } from "./classes.ts";
import { resized } from "./kernels.ts";

/**
 * Mean levels of a phone that lies still vary by at least so much from second to second, dB: 1 to 2 by fading over bursts and frequencies
 * (domain 4.6), and it pauses besides.
 */
const FADING_DB = 1.5;
/** Windows that are looked at before anything is said; neighbours share a fade, so that two count as one. */
const LEAST_WINDOWS = 60;
/** What is further off the mean of the levels so far, in spreads of the least phone's, is none of them. */
const FAR_SPREADS = 4;
/** From so many on it is told which of the two is likelier. */
const FEW_WINDOWS = 4;
/** Quantile of the standard normal at 0.999: one phone in a thousand fades as little by chance as is taken for a step. */
const SURE_Z = 3.09;

export class Steadiness {
  /** Windows of the running look by lane, and those it passed over; mean of their levels over the floor, dB; sum of squares about it, dB2. */
  windows = new Uint16Array(0);
  passed = new Uint16Array(0);
  meanDb = new Float64Array(0);
  squares = new Float64Array(0);

  grow(capacity: number): void {
    this.windows = resized(this.windows, capacity);
    this.passed = resized(this.passed, capacity);
    this.meanDb = resized(this.meanDb, capacity);
    this.squares = resized(this.squares, capacity);
  }

  clear(lane: number): void {
    this.windows[lane] = 0;
    this.passed[lane] = 0;
    this.meanDb[lane] = 0;
    this.squares[lane] = 0;
  }

  /**
   * Takes the level of a window over the floor, dB; `quietDb`: spread of such levels while nobody transmits. Follows the lowest level that
   * is held, as a phone on top of a step only adds: windows far above it are passed over while they are fewer, from one far below it on
   * it begins anew, and so it does where a phone is as likely.
   */
  note(lane: number, levelDb: number, quietDb: number): void {
    const farDb = FAR_SPREADS * Math.sqrt(this.#phone(lane, quietDb));
    const before = this.windows[lane]!;
    if (before > 0 && levelDb > this.meanDb[lane]! + farDb && ++this.passed[lane]! <= before) return;
    if (Math.abs(levelDb - this.meanDb[lane]!) > farDb) this.clear(lane);
    const n = ++this.windows[lane]!;
    const off = levelDb - this.meanDb[lane]!;
    this.meanDb[lane]! += off / n;
    this.squares[lane]! += off * (levelDb - this.meanDb[lane]!);
    if (n >= LEAST_WINDOWS && this.squares[lane]! >= n * this.#phone(lane, quietDb)) this.clear(lane);
  }

  /**
   * Whether the lane's spread is surely below that of the least phone: by the upper limit of a variance from so many windows (chi
   * squared; its quantile by Wilson and Hilferty 1931).
   */
  isSteady(lane: number, quietDb: number): boolean {
    const n = this.windows[lane]!;
    if (n < LEAST_WINDOWS) return false;
    const term = 2 / (9 * (n / 2));
    return this.squares[lane]! < n * (1 - term - SURE_Z * Math.sqrt(term)) ** 3 * this.#phone(lane, quietDb);
  }

  /** Whether a step is likelier than the least phone: two normal densities about the mean of the levels. */
  maybeSteady(lane: number, quietDb: number): boolean {
    const n = this.windows[lane]!;
    if (n < FEW_WINDOWS) return false;
    const [step, phone] = [quietDb ** 2, this.#phone(lane, quietDb)];
    return this.squares[lane]! * (1 / step - 1 / phone) < (n - 1) * Math.log(phone / step);
  }

  /** Level over the floor of the power that stays, dB: a mean of levels in dB lies below that of their powers. */
  levelDb(lane: number): number {
    return this.meanDb[lane]! + this.squares[lane]! / this.windows[lane]! / (2 * DB_PER_NEPER);
  }

  /** Variance of the levels if a phone made up what stands out, dB2: of the mixture of its power with the floor's. */
  #phone(lane: number, quietDb: number): number {
    const share = 1 - 10 ** (-Math.max(0, this.meanDb[lane]!) / 10);
    return quietDb ** 2 + (FADING_DB * share) ** 2;
  }

  fields() {
    return [
      { name: "steadyWindows", per: 1, array: this.windows },
      { name: "steadyPassed", per: 1, array: this.passed },
      { name: "steadyMeanDb", per: 1, array: this.meanDb },
      { name: "steadySquares", per: 1, array: this.squares },
    ];
  }
}
