/**
 * A non-metallic scanner as a sensor: the contract's JSON without radio readings. A scanner that sends readings is
 * misconfigured, and its numbers are no levels of any band.
 */
import type { SensorCodec } from "../../src/contracts.ts";

/** The scanner's codec on top of the contract's. */
export function scannerCodec(base: SensorCodec): SensorCodec {
  return {
    model: "cellward-scanner",
    format: "json",
    decode(address, payload) {
      if (address.kind === "reading" || address.kind === "readings") {
        return { ok: false, code: "unknown-kind", detail: `a scanner sends no ${address.kind}; it sends scan` };
      }
      return base.decode(address, payload);
    },
    encode: base.encode,
  };
}
