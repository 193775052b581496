/**
 * The forward substitution of `whitener.ts` for hosts with WebAssembly SIMD: sixteen places side by side in four vectors of
 * float32, the same steps in the same order, so the same bits.
 */
import { Body, type Expr, f32x4, i32, i32x4, type Local, moduleOf, v128 } from "../wasm/emitter.ts";

/** Places side by side. */
export const GROUP = 16;
/** Sensors between two looks at whether places are still in; a power of two. */
export const LOOK_EVERY = 8;

// Where things of its own lie, words of four bytes from where it is told.
/** By place: square, and the power's posterior mean less the prior one. */
export const SQUARES = 0;
export const MOVED = SQUARES + GROUP;
/** Where the gains of each place lie (int32, bytes). */
export const PLACES = MOVED + GROUP;
/** Square from which on places are out; step of the gains; whether the places follow each other (int32). */
export const MOST = PLACES + GROUP;
export const STEP = MOST + 1;
export const SIDE_BY_SIDE = STEP + 1;
export const OWN_WORDS = SIDE_BY_SIDE + 1;

/** A sensor: its level, and where its gains lie beyond a place's first (int32, bytes). */
export const SENSOR_WORDS = 2;
/** A sensor's row of a factor: reciprocal of the diagonal, whitened one, variance left to the power, end of its entries (int32, bytes). */
export const ROW_WORDS = 4;
export const ROW = { inverse: 0, one: 1, common: 2, end: 3 } as const;
/** An entry left of the diagonal: its value, where the residuals of its column lie (int32, bytes). */
export const ENTRY_WORDS = 2;

const VECTORS = [0, 1, 2, 3] as const;
type Vector = Local<"v128">;

/** The module's bytes; parameters: its own things, first sensor, where its residuals go, first row, its first entry (bytes), number of rows. */
export function assemble(): Uint8Array<ArrayBuffer> {
  const f = new Body(6);
  const [own, sensor, at, row, entry, left] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4), f.param(5)];
  const zero = f32x4.of(0);
  const vectors = (): Vector[] => VECTORS.map(() => f.let(zero));
  const [squares, along, sums] = [vectors(), vectors(), vectors()];
  const places = Array.from({ length: GROUP }, (_, q) => f.let(i32.load(own.get, 4 * (PLACES + q))));
  const done = f.let(i32.of(0));
  const [end, column] = [f.local("i32"), f.local("i32")];
  const [gains, l, one, common] = [f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128")];
  const sideBySide = f.let(i32.load(own.get, 4 * SIDE_BY_SIDE));
  const most = f.let(v128.load32Splat(own.get, 4 * MOST));
  const step = f.let(v128.load32Splat(own.get, 4 * STEP));
  const each = (what: (k: number) => void): void => {
    for (const k of VECTORS) what(k);
  };
  /** The square without what the power explains. */
  const rest = (k: number) =>
    f32x4.sub(squares[k]!.get, f32x4.mul(f32x4.mul(common.get, along[k]!.get), along[k]!.get));
  /** Gains of a half of the places. */
  const gathered = (upper: number): Expr<"v128"> => {
    let lanes: Expr<"v128"> = zero;
    for (let q = 0; q < 8; q++) {
      lanes = v128.load16Lane(i32.add(places[8 * upper + q]!.get, column.get), lanes, 0, q);
    }
    return lanes;
  };
  const residuals = (): void => {
    f.set(column, i32.load(sensor.get, 4));
    f.set(l, v128.load32Splat(sensor.get, 0));
    for (const upper of [0, 1] as const) {
      f.ifElse(
        sideBySide.get,
        () => f.set(gains, v128.load(i32.add(places[0]!.get, column.get), 16 * upper)),
        () => f.set(gains, gathered(upper)),
      );
      const four = [i32x4.fromLow16(gains.get), i32x4.fromHigh16(gains.get)] as const;
      four.forEach((values, k) => {
        f.set(sums[2 * upper + k]!, f32x4.sub(l.get, f32x4.mul(step.get, f32x4.fromSigned(values))));
      });
    }
  };

  f.repeat(
    () => {
      residuals();
      f.set(end, i32.load(row.get, 4 * ROW.end));
      f.if(i32.ltU(entry.get, end.get), () => {
        f.repeat(
          () => {
            f.set(l, v128.load32Splat(entry.get, 0));
            f.set(column, i32.load(entry.get, 4));
            each((k) => f.set(sums[k]!, f32x4.sub(sums[k]!.get, f32x4.mul(l.get, v128.load(column.get, 16 * k)))));
            f.set(entry, i32.add(entry.get, i32.of(4 * ENTRY_WORDS)));
          },
          () => i32.ltU(entry.get, end.get),
        );
      });
      f.set(l, v128.load32Splat(row.get, 4 * ROW.inverse));
      f.set(one, v128.load32Splat(row.get, 4 * ROW.one));
      f.set(common, v128.load32Splat(row.get, 4 * ROW.common));
      each((k) => {
        f.set(sums[k]!, f32x4.mul(sums[k]!.get, l.get));
        f.store(at.get, sums[k]!.get, 16 * k);
        f.set(squares[k]!, f32x4.add(squares[k]!.get, f32x4.mul(sums[k]!.get, sums[k]!.get)));
        f.set(along[k]!, f32x4.add(along[k]!.get, f32x4.mul(sums[k]!.get, one.get)));
      });
      f.set(sensor, i32.add(sensor.get, i32.of(4 * SENSOR_WORDS)));
      f.set(row, i32.add(row.get, i32.of(4 * ROW_WORDS)));
      f.set(at, i32.add(at.get, i32.of(4 * GROUP)));
      f.set(left, i32.sub(left.get, i32.of(1)));
      f.set(done, i32.add(done.get, i32.of(1)));
      f.if(i32.eqz(i32.and(done.get, i32.of(LOOK_EVERY - 1))), () => {
        const out = VECTORS.map((k) => f32x4.gt(rest(k), most.get));
        const all = i32x4.bits(v128.and(v128.and(out[0]!, out[1]!), v128.and(out[2]!, out[3]!)));
        f.if(i32.eqz(i32.sub(all, i32.of(15))), () => f.set(left, i32.of(0)));
      });
    },
    () => left.get,
  );
  each((k) => {
    f.store(own.get, rest(k), 4 * SQUARES + 16 * k);
    f.store(own.get, f32x4.mul(common.get, along[k]!.get), 4 * MOVED + 16 * k);
  });
  return moduleOf(6, f.finish(i32.of(0)));
}
