/**
 * The sums of `unheard.ts` for hosts with WebAssembly SIMD: sixteen places side by side, the silent sensors one after the other. The
 * same steps in the same order, so the same bits.
 */
import { Body, type Expr, f32x4, i32, i32x4, moduleOf, v128 } from "../wasm/emitter.ts";

/** Places side by side. */
export const LANES = 16;
/** Levels are counted in steps of 2^-STEP_BITS dB, gains in steps of 2^-GAIN_BITS. */
export const STEP_BITS = 12;
export const GAIN_BITS = 6;
/** Values of a table, a dB apart; beyond, one is as heard as can be. */
export const TABLE_SIZE = 260;
export const MOST_OVER = ((TABLE_SIZE - 1) << STEP_BITS) - 1;

// Where things of its own lie, words of four bytes from where it is told.
/** By place: the sum; below which it need not go on; level emitted (int32, steps); where the place's gains lie (int32, bytes). */
export const SUMS = 0;
export const LEAST = SUMS + LANES;
export const EMITTED = LEAST + LANES;
export const PLACES = EMITTED + LANES;
/** Whether the places follow each other; the least audible level of all sensors, steps (int32). */
export const SIDE_BY_SIDE = PLACES + LANES;
export const FIRST = SIDE_BY_SIDE + 1;
export const OWN_WORDS = FIRST + 1;

/** A sensor: its least audible level in steps, where its table begins, where its gains lie beyond a place's first (int32, bytes). */
export const SENSOR_WORDS = 4;
export const SENSOR_BITS = 4;
export const SENSOR = { audible: 0, table: 1, column: 2 } as const;
/** A value of a table, and what a step adds to it (float32). */
export const VALUE_WORDS = 2;
export const VALUE_BITS = 3;
/** A sensor of a list: a gain that it has to no place more than, in the upper half; its number in the lower. */
export const LISTED_BYTES = 4;

const VECTORS = [0, 1, 2, 3] as const;

/**
 * The module's bytes. Parameters: its own things, first and end of the list, first sensor (bytes), the loudest level emitted (steps).
 */
export function assemble(): Uint8Array<ArrayBuffer> {
  const f = new Body(5);
  const [own, list, end, sensors, loudest] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
  const zero = f32x4.of(0);
  const sums = VECTORS.map(() => f.let(zero));
  const least = VECTORS.map((k) => f.let(v128.load(own.get, 4 * LEAST + 16 * k)));
  const emitted = VECTORS.map((k) => f.let(v128.load(own.get, 4 * EMITTED + 16 * k)));
  const places = Array.from({ length: LANES }, (_, q) => f.let(i32.load(own.get, 4 * (PLACES + q))));
  const sideBySide = f.let(i32.load(own.get, 4 * SIDE_BY_SIDE));
  const first = f.let(i32.load(own.get, 4 * FIRST));
  const [listed, bound, at, column] = [f.local("i32"), f.local("i32"), f.local("i32"), f.local("i32")];
  const [gains, over, index, low] = [f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128")];
  const [audible, table] = [f.local("v128"), f.local("v128")];
  const high = f.local("v128");
  /** Gains of a half of the places. */
  const gathered = (upper: number): Expr<"v128"> => {
    let lanes: Expr<"v128"> = zero;
    for (let q = 0; q < 8; q++) {
      lanes = v128.load16Lane(i32.add(places[8 * upper + q]!.get, column.get), lanes, 0, q);
    }
    return lanes;
  };
  const four = (k: 0 | 1 | 2 | 3): void => {
    const wide = k % 2 === 0 ? i32x4.fromLow16(gains.get) : i32x4.fromHigh16(gains.get);
    const level = i32x4.add(i32x4.shl(wide, i32.of(STEP_BITS - GAIN_BITS)), emitted[k]!.get);
    f.set(over, i32x4.min(i32x4.max(i32x4.sub(level, audible.get), i32x4.of(0)), i32x4.of(MOST_OVER)));
    const value = i32x4.shl(i32x4.shrU(over.get, i32.of(STEP_BITS)), i32.of(VALUE_BITS));
    f.set(index, i32x4.add(value, table.get));
    f.set(low, v128.load64Lane(i32x4.lane(index.get, 1), v128.load64(i32x4.lane(index.get, 0), 0), 0, 1));
    f.set(high, v128.load64Lane(i32x4.lane(index.get, 3), v128.load64(i32x4.lane(index.get, 2), 0), 0, 1));
    const part = f32x4.fromSigned(v128.and(over.get, i32x4.of((1 << STEP_BITS) - 1)));
    const slope = v128.pick(low.get, high.get, [1, 3, 5, 7]);
    const said = f32x4.add(v128.pick(low.get, high.get, [0, 2, 4, 6]), f32x4.mul(part, slope));
    f.set(sums[k]!, f32x4.add(sums[k]!.get, said));
  };
  const sensor = (): void => {
    f.set(column, i32.load(at.get, 4 * SENSOR.column));
    f.set(audible, v128.load32Splat(at.get, 4 * SENSOR.audible));
    f.set(table, v128.load32Splat(at.get, 4 * SENSOR.table));
    for (const upper of [0, 1] as const) {
      f.ifElse(
        sideBySide.get,
        () => f.set(gains, v128.load(i32.add(places[0]!.get, column.get), 16 * upper)),
        () => f.set(gains, gathered(upper)),
      );
      four(upper === 0 ? 0 : 2);
      four(upper === 0 ? 1 : 3);
    }
    const out = VECTORS.map((k) => f32x4.lt(sums[k]!.get, least[k]!.get));
    const all = i32x4.bits(v128.and(v128.and(out[0]!, out[1]!), v128.and(out[2]!, out[3]!)));
    f.if(i32.eqz(i32.sub(all, i32.of(15))), () => f.set(list, end.get));
  };

  f.repeat(
    () => {
      f.set(listed, i32.load(list.get, 0));
      f.set(list, i32.add(list.get, i32.of(LISTED_BYTES)));
      const gain = i32.shl(i32.shrS(listed.get, i32.of(16)), i32.of(STEP_BITS - GAIN_BITS));
      f.set(bound, i32.add(loudest.get, gain));
      f.ifElse(
        i32.gtS(bound.get, first.get),
        () => {
          f.set(at, i32.add(sensors.get, i32.shl(i32.and(listed.get, i32.of(0xffff)), i32.of(SENSOR_BITS))));
          f.if(i32.gtS(bound.get, i32.load(at.get, 4 * SENSOR.audible)), sensor);
        },
        () => f.set(list, end.get),
      );
    },
    () => i32.ltU(list.get, end.get),
  );
  for (const k of VECTORS) f.store(own.get, sums[k]!.get, 4 * SUMS + 16 * k);
  return moduleOf(5, f.finish(i32.of(0)));
}
