/**
 * The sum of `unheard.ts` for hosts with WebAssembly: one patch's sensors, the loudest first. The same steps in the same order, so
 * the same bits.
 */
import { Body, f64, i32, moduleOf } from "../wasm/emitter.ts";

/** Levels are counted in steps of 2^-STEP_BITS dB, gains in steps of 2^-GAIN_BITS. */
export const STEP_BITS = 12;
export const GAIN_BITS = 6;
/** Values of a table, a dB apart; beyond, one is as heard as can be. */
export const TABLE_SIZE = 260;
export const MOST_OVER = ((TABLE_SIZE - 1) << STEP_BITS) - 1;

// Where things lie in the memory, bytes.
/** Below which the sum may end; the sum (float64). */
export const LEAST_AT = 0;
export const SUM_AT = 8;
export const FREE_AT = 16;
/** A sensor: its least audible level in steps, where its table begins (int32, bytes). */
export const SENSOR_BYTES = 8;
/** A value of a table, and what a step adds to it (float64). */
export const VALUE_BYTES = 16;
/** A sensor of a list: gain in the upper half, number in the lower. */
export const LISTED_BYTES = 4;

/**
 * The module's bytes. Parameters: first and end of the list, first sensor (bytes), level emitted, the least audible one of all (steps).
 * Gives 1 where nothing of the list was left out that could count, or the sum is less than asked for; else 0.
 */
export function assemble(): Uint8Array<ArrayBuffer> {
  const f = new Body(5);
  const [list, end, sensors, emitted, first] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
  const zero = i32.of(0);
  const sum = f.let(f64.fromSigned(zero));
  const least = f.let(f64.load(zero, LEAST_AT));
  const known = f.let(zero);
  const [listed, level, over, at] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
  f.repeat(
    () => {
      f.set(listed, i32.load(list.get, 0));
      f.set(level, i32.add(emitted.get, i32.shl(i32.shrS(listed.get, i32.of(16)), i32.of(STEP_BITS - GAIN_BITS))));
      f.ifElse(
        i32.gtS(level.get, first.get),
        () => {
          f.set(at, i32.add(sensors.get, i32.mul(i32.and(listed.get, i32.of(0xffff)), i32.of(SENSOR_BYTES))));
          f.set(over, i32.sub(level.get, i32.load(at.get, 0)));
          f.set(over, i32.select(over.get, zero, i32.gtS(over.get, zero)));
          f.set(over, i32.select(i32.of(MOST_OVER), over.get, i32.gtS(over.get, i32.of(MOST_OVER))));
          f.set(at, i32.add(i32.load(at.get, 4), i32.mul(i32.shrS(over.get, i32.of(STEP_BITS)), i32.of(VALUE_BYTES))));
          const part = f64.fromSigned(i32.and(over.get, i32.of((1 << STEP_BITS) - 1)));
          f.set(sum, f64.add(sum.get, f64.add(f64.load(at.get, 0), f64.mul(part, f64.load(at.get, 8)))));
          f.set(list, i32.add(list.get, i32.of(LISTED_BYTES)));
          f.if(f64.lt(sum.get, least.get), () => f.set(known, i32.of(1)));
        },
        () => f.set(known, i32.of(1)),
      );
    },
    () => i32.and(i32.eqz(known.get), i32.ltU(list.get, end.get)),
  );
  f.store64(zero, sum.get, SUM_AT);
  return moduleOf(5, f.finish(known.get));
}
