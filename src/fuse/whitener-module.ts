/**
 * The forward substitution of `whitener.ts` for hosts with WebAssembly SIMD: eight positions side by side in four vectors of two
 * float64, the same steps in the same order, so the same bits.
 */
import { Body, type Expr, f32x4, f64x2, i32, i32x4, type Local, moduleOf, v128 } from "../wasm/emitter.ts";

/** Positions side by side. */
export const GROUP = 8;
/** Sensors between two looks at whether positions are still in; a power of two. */
export const LOOK_EVERY = 8;

// Where things lie in the memory, words of eight bytes.
/** By position: square, and the power's posterior mean less the prior one. */
export const SQUARES = 0;
export const MOVED = SQUARES + GROUP;
/** Square from which on positions are out; step of the gains. */
export const MOST = MOVED + GROUP;
export const STEP = MOST + 1;
/** Where the gains of each position lie (int32, bytes). */
export const PLACES = STEP + 1;
/** From here on what depends on the observation and the gains. */
export const FREE = 32;

/** A sensor: its level, and where its gains lie beyond a position's first (int32, bytes). */
export const SENSOR_WORDS = 2;
/** A sensor's row of a factor: reciprocal of the diagonal, whitened one, variance left to the power, end of its entries (int32, bytes). */
export const ROW_WORDS = 4;
export const ROW = { inverse: 0, one: 1, common: 2, end: 3 } as const;
/** An entry left of the diagonal: its value, where the residuals of its column lie (int32, bytes). */
export const ENTRY_WORDS = 2;

const VECTORS = [0, 1, 2, 3] as const;
type Vector = Local<"v128">;

/** The module's bytes; parameters: first sensor, where its residuals go, first row, its first entry (bytes), number of rows. */
export function assemble(): Uint8Array<ArrayBuffer> {
  const f = new Body(5);
  const [sensor, at, row, entry, left] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
  const zero = f32x4.of(0);
  const vectors = (): Vector[] => VECTORS.map(() => f.let(zero));
  const [squares, along, sums] = [vectors(), vectors(), vectors()];
  const places = Array.from({ length: GROUP }, (_, q) => f.let(i32.load(i32.of(0), 8 * PLACES + 4 * q)));
  const done = f.let(i32.of(0));
  const [end, column] = [f.local("i32"), f.local("i32")];
  const [gains, half, l, one, common] = [0, 1, 2, 3, 4].map(() => f.local("v128")) as [
    Vector,
    Vector,
    Vector,
    Vector,
    Vector,
  ];
  const most = f.let(v128.load64Splat(i32.of(0), 8 * MOST));
  const step = f.let(v128.load64Splat(i32.of(0), 8 * STEP));
  const each = (what: (k: number) => void): void => {
    for (const k of VECTORS) what(k);
  };
  /** The square without what the power explains. */
  const rest = (k: number) =>
    f64x2.sub(squares[k]!.get, f64x2.mul(f64x2.mul(common.get, along[k]!.get), along[k]!.get));
  const residuals = (): void => {
    f.set(column, i32.load(sensor.get, 8));
    let lanes: Expr<"v128"> = zero;
    places.forEach((place, q) => {
      lanes = v128.load16Lane(i32.add(place.get, column.get), lanes, 0, q);
    });
    f.set(gains, lanes);
    f.set(l, v128.load64Splat(sensor.get, 0));
    for (const upper of [0, 1] as const) {
      f.set(half, upper === 0 ? i32x4.fromLow16(gains.get) : i32x4.fromHigh16(gains.get));
      const low = f64x2.fromLowSigned(half.get);
      const high = f64x2.fromLowSigned(v128.pick(half.get, half.get, [2, 3, 2, 3]));
      f.set(sums[2 * upper]!, f64x2.sub(l.get, f64x2.mul(step.get, low)));
      f.set(sums[2 * upper + 1]!, f64x2.sub(l.get, f64x2.mul(step.get, high)));
    }
  };

  f.repeat(
    () => {
      residuals();
      f.set(end, i32.load(row.get, 8 * ROW.end));
      f.if(i32.ltU(entry.get, end.get), () => {
        f.repeat(
          () => {
            f.set(l, v128.load64Splat(entry.get, 0));
            f.set(column, i32.load(entry.get, 8));
            each((k) => f.set(sums[k]!, f64x2.sub(sums[k]!.get, f64x2.mul(l.get, v128.load(column.get, 16 * k)))));
            f.set(entry, i32.add(entry.get, i32.of(8 * ENTRY_WORDS)));
          },
          () => i32.ltU(entry.get, end.get),
        );
      });
      f.set(l, v128.load64Splat(row.get, 8 * ROW.inverse));
      f.set(one, v128.load64Splat(row.get, 8 * ROW.one));
      f.set(common, v128.load64Splat(row.get, 8 * ROW.common));
      each((k) => {
        f.set(sums[k]!, f64x2.mul(sums[k]!.get, l.get));
        f.store(at.get, sums[k]!.get, 16 * k);
        f.set(squares[k]!, f64x2.add(squares[k]!.get, f64x2.mul(sums[k]!.get, sums[k]!.get)));
        f.set(along[k]!, f64x2.add(along[k]!.get, f64x2.mul(sums[k]!.get, one.get)));
      });
      f.set(sensor, i32.add(sensor.get, i32.of(8 * SENSOR_WORDS)));
      f.set(row, i32.add(row.get, i32.of(8 * ROW_WORDS)));
      f.set(at, i32.add(at.get, i32.of(8 * GROUP)));
      f.set(left, i32.sub(left.get, i32.of(1)));
      f.set(done, i32.add(done.get, i32.of(1)));
      f.if(i32.eqz(i32.and(done.get, i32.of(LOOK_EVERY - 1))), () => {
        const out = VECTORS.map((k) => f64x2.gt(rest(k), most.get));
        const all = i32x4.bits(v128.and(v128.and(out[0]!, out[1]!), v128.and(out[2]!, out[3]!)));
        f.if(i32.eqz(i32.sub(all, i32.of(15))), () => f.set(left, i32.of(0)));
      });
    },
    () => left.get,
  );
  each((k) => {
    f.store(i32.of(0), rest(k), 8 * SQUARES + 16 * k);
    f.store(i32.of(0), f64x2.mul(common.get, along[k]!.get), 8 * MOVED + 16 * k);
  });
  return moduleOf(5, f.finish(i32.of(0)));
}
