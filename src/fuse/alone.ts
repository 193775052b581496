/** One emitter as the tracker keeps it where nobody else is on: for asking beforehand what would come of it. */
import type { BandId, BlockId, Fix, SensorId, Track } from "../model.ts";
import { Fingerprint } from "./fingerprint.ts";
import { normaliseLog } from "./linalg.ts";
import type { Locator } from "./locate.ts";
import type { Sighting } from "./sighting.ts";
import { Recent } from "./stillness.ts";
import { isPlaced, OUTSIDE_PLACES } from "./tracks.ts";

export class Alone {
  readonly heardBy = new Set<SensorId>();
  fix: Fix;
  readonly #block: BlockId;
  readonly #band: BandId;
  readonly #locator: Locator;
  readonly #prior: Float64Array;
  readonly #fingerprint = new Fingerprint();
  readonly #recent = new Recent();
  readonly #posterior: Float64Array;
  #last: Sighting | null = null;
  #openedAtMs = 0;
  #places = 0;
  #outsideP = 0;

  constructor(block: BlockId, band: BandId, locator: Locator, prior: Float64Array) {
    this.#block = block;
    this.#band = band;
    this.#locator = locator;
    this.#prior = prior;
    this.#posterior = new Float64Array(locator.size);
    this.fix = locator.fix(prior);
  }

  /** Takes a window; `judged`: its place is asked for soon. */
  hear(s: Sighting, judged: boolean): void {
    if (this.#last === null) this.#openedAtMs = s.tMs;
    this.#last = s;
    for (const h of s.heard) this.heardBy.add(h.level.sensor);
    this.#recent.note(s);
    this.#fingerprint.learn(s);
    if (!judged || !isPlaced(this.#fingerprint.count)) return;
    this.#locator.logLikelihood(this.#fingerprint.observation(s.tMs, this.#band), this.#posterior);
    for (let c = 0; c < this.#posterior.length; c++) this.#posterior[c]! += this.#prior[c]!;
    normaliseLog(this.#posterior);
    this.fix = this.#locator.fix(this.#posterior);
    this.#places++;
    this.#outsideP += (this.fix.pOutside - this.#outsideP) / Math.min(this.#places, OUTSIDE_PLACES);
  }

  /** As the policy reads it; null before anything was heard. `active`: more of it may come. */
  track(active: boolean): Track | null {
    const last = this.#last;
    if (last === null) return null;
    const around = this.fix.candidates.map((c) => this.#locator.around(c.cell)).find((sensors) => sensors.length > 0);
    const walkNats = around === undefined ? 0 : this.#recent.walkNats(this.#band, around, this.#openedAtMs);
    return {
      id: "imagined",
      block: this.#block,
      bands: [this.#band],
      openedAtMs: this.#openedAtMs,
      firstEvidenceMs: this.#openedAtMs,
      lastEvidenceMs: last.tMs,
      active,
      confirmed: true,
      moves: 0,
      walkNats,
      outsideP: this.#outsideP,
      fix: this.fix,
      activity: "unknown",
      activityP: 0,
      episodes: [{ startMs: this.#openedAtMs, endMs: last.tMs }],
      llr: 0,
      threshold: 0,
      sensors: last.heard.map((h) => h.evidence),
    };
  }
}
