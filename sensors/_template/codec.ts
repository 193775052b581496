/**
 * A codec to copy: a sensor that sends its readings as one line of text,
 *
 *     boot,seq,ts,band=rms[/peak],…      17,48213,1763800000000,lte800-ul=-98.2/-91,gsm900-ul=-101
 *
 * A codec says what the bytes mean. It never throws and never judges: whether bands are known, levels and times plausible
 * and numbers new is decided afterwards, the same for every model.
 */
import type { SensorAddress, SensorCodec } from "../../src/contracts.ts";
import type { ReadingBatch, Reject, SensorMessage } from "../../src/model.ts";

const MAX_BANDS = 64;
const schema = (detail: string): Reject => ({ ok: false, code: "payload-schema", detail });

export const template: SensorCodec = {
  // What the sensor writes as `model` into its birth.
  model: "template-line",
  // "json" would have the bytes checked for depth, keys and doubles before they come here.
  format: "bytes",

  decode(address: SensorAddress, payload: Uint8Array): { ok: true; message: SensorMessage } | Reject {
    if (address.kind !== "reading") {
      return { ok: false, code: "unknown-kind", detail: `this model sends reading only, not ${address.kind}` };
    }
    const [boot, seq, ts, ...bands] = new TextDecoder().decode(payload).trim().split(",");
    const numbers = [boot, seq, ts].map(Number);
    if (!numbers.every((value) => Number.isSafeInteger(value) && value >= 0)) {
      return schema("the line begins with boot, seq and ts as whole numbers");
    }
    if (bands.length === 0 || bands.length > MAX_BANDS)
      return schema(`1 to ${MAX_BANDS} bands follow, as band=rms/peak`);
    const names: string[] = [];
    const rms = new Float32Array(bands.length);
    const peak = new Float32Array(bands.length);
    for (const [i, text] of bands.entries()) {
      const found = /^([a-z0-9-]+)=(-?\d+(?:\.\d+)?)(?:\/(-?\d+(?:\.\d+)?))?$/.exec(text);
      if (found === null || names.includes(found[1]!))
        return schema(`field ${i + 4} is no band=rms/peak, or its band comes twice`);
      names.push(found[1]!);
      rms[i] = Number(found[2]);
      // NaN says "not measured".
      peak[i] = found[3] === undefined ? Number.NaN : Number(found[3]);
    }
    const batch: ReadingBatch = {
      block: address.block,
      sensor: address.sensor,
      boot: numbers[0]!,
      seq: numbers[1]!,
      tsMs: numbers[2]!,
      dtMs: 0,
      count: 1,
      bands: names,
      rmsDbm: rms,
      peakDbm: peak.every(Number.isNaN) ? null : peak,
      duty: null,
      noiseDbm: null,
      looks: null,
    };
    return { ok: true, message: { kind: "readings", batch } };
  },

  /** The inverse, for the simulator and the tests. */
  encode(message: SensorMessage): Uint8Array {
    if (message.kind !== "readings" || message.batch.count !== 1)
      throw new Error("this model sends single readings only");
    const { boot, seq, tsMs, bands, rmsDbm, peakDbm } = message.batch;
    const fields = bands.map((band, i) => {
      const peak = peakDbm?.[i] ?? Number.NaN;
      return `${band}=${rounded(rmsDbm?.[i] ?? Number.NaN)}${Number.isNaN(peak) ? "" : `/${rounded(peak)}`}`;
    });
    return new TextEncoder().encode([boot, seq, tsMs, ...fields].join(","));
  },
};

/** 0.01 dB, so that 32-bit floats don't grow tails of digits. */
const rounded = (value: number): number => Math.round(value * 100) / 100;
