import type { Alert } from "../model.ts";

/**
 * What an officer can take in: more than ten alerts in ten minutes are a flood (ISA-18.2, EEMUA 191), in which a bell for each
 * makes none heard. In a flood one alert speaks for all that follow; they are opened, kept and listed like any other, with
 * `suppressed_by` naming it. Critical alerts are never suppressed, and faults of sensors leave room for phones. Pure; one
 * instance a block, in event time.
 */

const WINDOW_MS = 600_000;
/** Begins with more than ten in ten minutes; the tenth annunciation is the flood's own. */
const MOST = 10;
/**
 * Alerts of low and medium severity get half of the room: many small faults must not silence a phone. Counted by themselves: where a few
 * phones have been told of, a small fault more is no flood.
 */
const MOST_MINOR = 5;
/** Ends with fewer than five in ten minutes. */
const CALM = 5;

export interface Admission {
  /** Id of the flood that speaks for this alert; null: it is annunciated. */
  readonly suppressedBy: string | null;
  /** A flood begins with this alert. */
  readonly begins: boolean;
}

export class AlarmFlood {
  /** Openings of the last ten minutes, oldest first; beyond what decides, more say nothing more. */
  private openedMs: number[] = [];
  private annunciatedMs: number[] = [];
  /** Those among them of low and medium severity. */
  private minorMs: number[] = [];
  private flood: string | null = null;

  /** Takes note of an alert that opens at `tMs`; `floodId` names a flood that would begin now. */
  admit(alert: Pick<Alert, "severity">, tMs: number, floodId: string): Admission {
    this.forget(tMs);
    this.openedMs.push(tMs);
    if (this.openedMs.length > 1000) this.openedMs.shift();
    const { severity } = alert;
    const minor = severity === "low" || severity === "medium";
    const hasRoom = this.annunciatedMs.length < MOST - 1 && !(minor && this.minorMs.length >= MOST_MINOR);
    if (hasRoom || severity === "critical") {
      this.annunciatedMs.push(tMs);
      if (minor) this.minorMs.push(tMs);
      return { suppressedBy: null, begins: false };
    }
    const begins = this.flood === null;
    this.flood ??= floodId;
    if (begins) this.annunciatedMs.push(tMs);
    return { suppressedBy: this.flood, begins };
  }

  /** The flood that is over at `tMs`, once; null: none, or it lasts. */
  over(tMs: number): string | null {
    if (this.flood === null) return null;
    this.forget(tMs);
    if (this.openedMs.length >= CALM) return null;
    const id = this.flood;
    this.flood = null;
    return id;
  }

  snapshot(): unknown {
    const { openedMs, annunciatedMs, minorMs, flood } = this;
    return { openedMs: [...openedMs], annunciatedMs: [...annunciatedMs], minorMs: [...minorMs], flood };
  }

  restore(snapshot: unknown): void {
    const data = snapshot as {
      openedMs: number[];
      annunciatedMs: number[];
      minorMs: number[];
      flood: string | null;
    };
    this.openedMs = [...data.openedMs];
    this.annunciatedMs = [...data.annunciatedMs];
    this.minorMs = [...data.minorMs];
    this.flood = data.flood;
  }

  private forget(tMs: number): void {
    for (const times of [this.openedMs, this.annunciatedMs, this.minorMs])
      while (tMs - times[0]! >= WINDOW_MS) times.shift();
  }
}
