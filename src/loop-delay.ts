/**
 * How long the event loop was held up lately. Node's own histogram only ever grows: it would tell of the start for as long as the
 * service runs.
 */

/** What is needed of `monitorEventLoopDelay`: nanoseconds. */
export interface DelayHistogram {
  readonly max: number;
  percentile(p: number): number;
  reset(): void;
}

export interface LoopDelays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export class LoopDelay {
  private readonly histogram: DelayHistogram;
  /** Of the span that ended at the last turn. */
  private before: LoopDelays | null = null;

  constructor(histogram: DelayHistogram) {
    this.histogram = histogram;
  }

  /** Ends a span and begins the next; what it was like is told until the next one ends. */
  turn(): void {
    this.before = this.now();
    this.histogram.reset();
  }

  /** The worse of this span and the last, milliseconds. */
  read(): LoopDelays {
    const now = this.now();
    const { before } = this;
    if (before === null) return now;
    return {
      p50: Math.max(before.p50, now.p50),
      p99: Math.max(before.p99, now.p99),
      max: Math.max(before.max, now.max),
    };
  }

  private now(): LoopDelays {
    const { histogram } = this;
    return { p50: histogram.percentile(50) / 1e6, p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 };
  }
}
