/**
 * The exact Bayesian of the lasting belief: every set of cells in which phones may be kept, each with its probability. Costs 2 to
 * the number of cells; knows the settings, the layout of the wing and the likelihoods, and shares no step with src/belief.
 */

export interface ExactSettings {
  readonly arrive: number;
  readonly leave: number;
  readonly usesPerDay: number;
  readonly strayPerDay: number;
  readonly usedElsewhere: number;
  readonly inCommon: number;
  readonly prevalence: number;
  readonly searchHit: number;
}

/** One wing with a corridor (or none) and cells of equal prior mass. */
export interface ExactWing {
  readonly cells: number;
  readonly corridor: boolean;
  /** Prior mass of all cells; the rest is corridor, outside and the like. */
  readonly cellsMass: number;
}

export class ExactBelief {
  readonly settings: ExactSettings;
  readonly wing: ExactWing;
  /** Probability of every set; bit c of the index says that a phone is kept in cell c. */
  p: Float64Array;

  constructor(settings: ExactSettings, wing: ExactWing) {
    this.settings = settings;
    this.wing = wing;
    this.p = new Float64Array(1 << wing.cells);
    for (let k = 0; k < this.p.length; k++) {
      let product = 1;
      for (let c = 0; c < wing.cells; c++) product *= has(k, c) ? settings.prevalence : 1 - settings.prevalence;
      this.p[k] = product;
    }
  }

  kept(): number[] {
    return Array.from({ length: this.wing.cells }, (_, c) => {
      let sum = 0;
      for (let k = 0; k < this.p.length; k++) if (has(k, c)) sum += this.p[k]!;
      return sum;
    });
  }

  /** Days in which nobody was heard, `heard` of them while listening; each cell by its own matrix, from a power series. */
  wait(days: number, heard: number): void {
    const { arrive: a, leave: b, usesPerDay } = this.settings;
    const r = days > 0 ? (usesPerDay * heard) / days : 0;
    // d/dt [empty, kept] = [[-a, b], [a, -b - r]] [empty, kept]
    const [m00, m01, m10, m11] = expm([-a * days, b * days, a * days, (-b - r) * days]);
    for (let c = 0; c < this.wing.cells; c++) {
      for (let k = 0; k < this.p.length; k++) {
        if (has(k, c)) continue;
        const [empty, kept] = [this.p[k]!, this.p[k | (1 << c)]!];
        this.p[k] = m00 * empty + m01 * kept;
        this.p[k | (1 << c)] = m10 * empty + m11 * kept;
      }
    }
    this.#normalise();
  }

  /** A use: likelihood of each cell and of the corridor relative to the prior, and the posterior mass of all that is no cell. */
  use(cells: readonly number[], corridor: number, elsewhere: number): void {
    const s = this.settings;
    const n = this.wing.cells;
    const shared = this.wing.corridor ? s.usedElsewhere * s.inCommon : 0;
    const spread = n > 1 ? s.usedElsewhere * (1 - s.inCommon) : 0;
    const perMass = (n * s.prevalence * s.usesPerDay + s.strayPerDay) / this.wing.cellsMass;
    let none = perMass * elsewhere;
    const from = new Array<number>(n).fill(s.usesPerDay * shared * corridor);
    for (let x = 0; x < n; x++) {
      none += (s.strayPerDay / n) * cells[x]!;
      for (let j = 0; j < n; j++) {
        from[j]! += s.usesPerDay * (x === j ? 1 - spread - shared : spread / (n - 1)) * cells[x]!;
      }
    }
    this.p = this.p.map((p, k) => {
      let rate = none;
      for (let j = 0; j < n; j++) if (has(k, j)) rate += from[j]!;
      return p * rate;
    });
    this.#normalise();
  }

  /** Somebody came with a phone with probability `carried`, to any cell. */
  arrival(carried: number): void {
    const n = this.wing.cells;
    const after = this.p.map((p) => p * (1 - carried));
    for (let k = 0; k < this.p.length; k++) {
      for (let c = 0; c < n; c++) after[k | (1 << c)]! += (this.p[k]! * carried) / n;
    }
    this.p = after;
  }

  /** A look at one cell with the probabilities of its result with and without a phone. */
  look(cell: number, ifPresent: number, ifAbsent: number): void {
    this.p = this.p.map((p, k) => p * (has(k, cell) ? ifPresent : ifAbsent));
    this.#normalise();
  }

  /** Found in the cell and taken away. */
  found(cell: number): void {
    this.look(cell, 1, 0);
    for (let k = 0; k < this.p.length; k++) {
      if (!has(k, cell)) continue;
      this.p[k & ~(1 << cell)]! += this.p[k]!;
      this.p[k] = 0;
    }
  }

  #normalise(): void {
    const sum = this.p.reduce((x, y) => x + y, 0);
    for (let k = 0; k < this.p.length; k++) this.p[k]! /= sum;
  }
}

const has = (set: number, cell: number): boolean => (set & (1 << cell)) !== 0;

/** Exponential of a 2 by 2 matrix: halved until small, series, squared back. */
function expm(m: readonly [number, number, number, number]): [number, number, number, number] {
  const size = Math.max(...m.map(Math.abs));
  const halvings = Math.max(0, Math.ceil(Math.log2(size + 1e-12)) + 4);
  const a = m.map((v) => v / 2 ** halvings) as [number, number, number, number];
  let term: [number, number, number, number] = [1, 0, 0, 1];
  let sum: [number, number, number, number] = [1, 0, 0, 1];
  for (let i = 1; i < 14; i++) {
    term = times(term, a).map((v) => v / i) as typeof term;
    sum = sum.map((v, k) => v + term[k]!) as typeof sum;
  }
  for (let i = 0; i < halvings; i++) sum = times(sum, sum);
  return sum;
}

type M2 = [number, number, number, number];
function times(x: M2, y: M2): M2 {
  return [x[0] * y[0] + x[1] * y[2], x[0] * y[1] + x[1] * y[3], x[2] * y[0] + x[3] * y[2], x[2] * y[1] + x[3] * y[3]];
}
