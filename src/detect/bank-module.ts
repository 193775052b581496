/**
 * The bank for hosts with WebAssembly SIMD: four lanes side by side, the same float32 steps in the same order as `bankRun` in
 * kernels.ts, so the same bits. The module is assembled here, from expressions that read like that loop.
 *
 * It does the common path. A lane that had a missing value, a reading at the clip, or a statistic at its threshold is left
 * as it was and named in the answer: the plain kernel then takes its readings.
 */
import { Body, type Expr, f32x4, f64x2, i32, i32x4, type Local, moduleOf, v128 } from "../wasm/emitter.ts";
import { CLASS_STRIDE } from "./classes.ts";
import {
  BLOCK,
  EV_N,
  FOLLOW_GAIN,
  FREEZE_NATS,
  PACKED,
  POWER_RANGE_DB,
  POWER_STEPS,
  PULL,
  STUCK_OVER_REACH,
  TAIL_FROM,
  WIN_SUM,
} from "./kernels.ts";

type V128 = Expr<"v128">;
type I32 = Expr<"i32">;
type Vector = Local<"v128">;
type Four<T> = readonly [T, T, T, T];

/** Lanes side by side. */
export const GROUP = 4;
/** Most readings of a run. */
export const MOST_READINGS = 64;
export const MOST_BLOCKS = MOST_READINGS / BLOCK;

// Where things lie in the module's memory, bytes.
/** Floors at the start and after each block, statistics at each block's end: GROUP float32 a block. */
export const FLOORS_AT = 0;
export const TOPS_AT = FLOORS_AT + (MOST_BLOCKS + 1) * 16;
/** Loud readings of a block: one bit a reading and lane, lane first. */
export const LOUD_AT = TOPS_AT + (MOST_BLOCKS + 1) * 16;
/** Readings of a block after which the statistic was below FREEZE_NATS, likewise. */
export const QUIET_AT = LOUD_AT + 48;
/** Largest statistic. */
export const PEAK_AT = QUIET_AT + 48;
/** What the statistic of each lane must not reach (nats); set before a run. */
export const REACH_AT = PEAK_AT + 16;
/** What is known of each reading of a block before the bank takes its step: power, bounded residual, two masks. */
const STEPS_AT = 1024;
const P = 0;
const OFF = 16;
const LOUD = 32;
const SAME = 48;
const STEP = 64;
/** A record for places of a group that no lane fills. */
export const SPARE_AT = 512;
export const POWER_AT = 2048;
export const TABLE_AT = POWER_AT + 65_600;
/** Readings, as a batch has them. */
export const X_AT = 98_304;
export const X_READINGS = 16_384;
export const LANES_AT = X_AT + 4 * X_READINGS;

/** 1.5 * 2^23: added to an integral float32 it leaves the integer in the low bits (two's complement of 22 bits). */
const MAGIC = 12_582_912;
const MAGIC_BITS = 0x4b40_0000;
const BELOW = 1 - 1e-5;

/** The module's bytes. */
export function assemble(): Uint8Array<ArrayBuffer> {
  const f = new Body(2 * GROUP + 2);
  const lanes = [0, 1, 2, 3] as const;
  const record = lanes.map((k) => f.param(k).get) as unknown as Four<I32>;
  const column = lanes.map((k) => f.param(GROUP + k)) as unknown as Four<Local<"i32">>;
  const count = f.param(2 * GROUP).get;
  const phase = f.param(2 * GROUP + 1).get;
  const zero = f32x4.of(0);

  /** Four words of each of four places in memory, turned: one vector a word, one lane a place. */
  const turned = (places: Four<I32>, byte: number): Four<Vector> => {
    const [a, b, c, d] = places.map((at) => f.let(v128.load(at, byte))) as unknown as Four<Vector>;
    return turn(a, b, c, d);
  };
  const turn = (a: Vector, b: Vector, c: Vector, d: Vector): Four<Vector> => {
    const lowAB = f.let(v128.pick(a.get, b.get, [0, 4, 1, 5]));
    const highAB = f.let(v128.pick(a.get, b.get, [2, 6, 3, 7]));
    const lowCD = f.let(v128.pick(c.get, d.get, [0, 4, 1, 5]));
    const highCD = f.let(v128.pick(c.get, d.get, [2, 6, 3, 7]));
    return [
      f.let(v128.pick(lowAB.get, lowCD.get, [0, 1, 4, 5])),
      f.let(v128.pick(lowAB.get, lowCD.get, [2, 3, 6, 7])),
      f.let(v128.pick(highAB.get, highCD.get, [0, 1, 4, 5])),
      f.let(v128.pick(highAB.get, highCD.get, [2, 3, 6, 7])),
    ];
  };
  /** One word of each of four places. */
  const word = (places: Four<I32>, byte: number): V128 =>
    v128.load32Lane(
      places[3],
      v128.load32Lane(places[2], v128.load32Lane(places[1], v128.load32(places[0], byte), byte, 1), byte, 2),
      byte,
      3,
    );
  const most = (a: V128, b: V128, c: V128) => f32x4.pmax(f32x4.pmax(a, b), c);
  const least = (a: V128, b: V128, c: V128) => f32x4.pmin(f32x4.pmin(a, b), c);

  // The records.
  const [m, g0, g1, g2] = turned(record, 0);
  const packed = f.let(word(record, 4 * PACKED));
  const [pull, pulledLone, before, evSum] = turned(record, 4 * PULL);
  const [evN, winMax, winN, part] = turned(record, 4 * EV_N);
  const winLow = f.let(v128.load64Lane(record[1], v128.load64(record[0], 4 * WIN_SUM), 4 * WIN_SUM, 1));
  const winHigh = f.let(v128.load64Lane(record[3], v128.load64(record[2], 4 * WIN_SUM), 4 * WIN_SUM, 1));
  const pulled = f.let(v128.and(pulledLone.get, i32x4.of(0xff)));
  const lone = f.let(v128.and(pulledLone.get, i32x4.of(0xff00)));

  // The classes' rows.
  const row = record.map(
    (at) =>
      f.let(
        i32.add(i32.of(TABLE_AT), i32.mul(i32.and(i32.load(at, 4 * PACKED), i32.of(0xffff)), i32.of(4 * CLASS_STRIDE))),
      ).get,
  ) as unknown as Four<I32>;
  const [a0, a1, a2, b0] = turned(row, 0);
  const [b1, b2, bias, reach] = turned(row, 16);
  const [cap0, cap1, cap2, unit] = turned(row, 32);
  const minusReach = f.let(f32x4.sub(zero, reach.get));
  const stuck = f.let(f32x4.mul(reach.get, f32x4.of(STUCK_OVER_REACH)));
  const drift = f.let(f32x4.mul(f32x4.fromSigned(i32x4.shr(packed.get, i32.of(24))), unit.get));
  const clip = f.let(
    f32x4.mul(f32x4.fromSigned(v128.and(i32x4.shr(packed.get, i32.of(16)), i32x4.of(0xff))), f32x4.of(0.125)),
  );
  const powerAt = (nats: V128, a: Vector, b: Vector) => f32x4.div(f32x4.add(nats, b.get), a.get);
  const capped = (cap: Vector, a: Vector, b: Vector) => powerAt(f32x4.pmin(cap.get, clip.get), a, b);
  // Powers beyond which a reading is at the clip of some hypothesis, or may be loud.
  const bound = f.let(
    f32x4.mul(least(capped(cap0, a0, b0), capped(cap1, a1, b1), capped(cap2, a2, b2)), f32x4.of(BELOW)),
  );
  const from = f32x4.of(TAIL_FROM);
  const loud = f.let(
    f32x4.mul(least(powerAt(from, a0, b0), powerAt(from, a1, b1), powerAt(from, a2, b2)), f32x4.of(BELOW)),
  );

  const top = f.let(most(g0.get, g1.get, g2.get));
  const quiet = f.let(f32x4.lt(top.get, f32x4.of(FREEZE_NATS)));
  const risen = f.let(f32x4.ge(top.get, f32x4.of(1)));
  const peak = f.let(zero);
  const maxP = f.let(zero);
  const loudBits = f.let(i32.of(0));
  const quietBits = f.let(i32.of(0));
  const shift = f.let(i32.shl(phase, i32.of(2)));
  const rest = f.let(count);
  const left = f.let(i32.sub(i32.of(BLOCK), phase));
  const block = f.let(i32.of(0));
  const anySame = f.local("v128");
  f.store(i32.of(0), m.get, FLOORS_AT);

  /** What does not wait for the reading before it: power, bounded residual, and whether it repeats its forerunner or is loud. */
  const weigh = (value: V128, to: I32, offset: number): void => {
    const now = f.let(value);
    // Not a number becomes the upper end, whose power is beyond every bound.
    const range = f32x4.pmin(f32x4.of(POWER_RANGE_DB), f32x4.sub(now.get, m.get));
    const d = f.let(f32x4.pmax(f32x4.of(-POWER_RANGE_DB), range));
    // p = 10^(d/10): the step of the table as an integer, then value and slope of each lane.
    const scaled = f.let(f32x4.mul(d.get, f32x4.of(POWER_STEPS)));
    const step = f.let(f32x4.floor(scaled.get));
    const eighths = i32x4.shl(f32x4.add(step.get, f32x4.of(MAGIC)), i32.of(3));
    const at = f.let(i32x4.add(eighths, i32x4.of(POWER_AT + 8 * POWER_RANGE_DB * POWER_STEPS - (MAGIC_BITS << 3))));
    const low = f.let(v128.load64Lane(i32x4.lane(at.get, 1), v128.load64(i32x4.lane(at.get, 0), 0), 0, 1));
    const high = f.let(v128.load64Lane(i32x4.lane(at.get, 3), v128.load64(i32x4.lane(at.get, 2), 0), 0, 1));
    const values = v128.pick(low.get, high.get, [0, 2, 4, 6]);
    const slopes = v128.pick(low.get, high.get, [1, 3, 5, 7]);
    const p = f.let(f32x4.add(values, f32x4.mul(f32x4.sub(scaled.get, step.get), slopes)));
    f.set(part, f32x4.add(part.get, p.get));
    f.set(maxP, f32x4.pmax(maxP.get, p.get));
    f.store(to, p.get, offset + P);
    f.store(to, f32x4.pmin(reach.get, f32x4.pmax(minusReach.get, f32x4.add(d.get, bias.get))), offset + OFF);
    f.store(to, f32x4.ge(p.get, loud.get), offset + LOUD);
    const same = f.let(v128.and(f32x4.eq(now.get, before.get), f32x4.lt(d.get, stuck.get)));
    f.store(to, same.get, offset + SAME);
    f.set(anySame, v128.or(anySame.get, same.get));
    f.set(before, now.get);
  };

  /** The step of the bank. */
  const advance = (from: I32, offset: number, mayRepeat: boolean): void => {
    const p = f.let(v128.load(from, offset + P));
    let heard = v128.and(v128.load(from, offset + LOUD), quiet.get);
    let gain = (l: V128) => l;
    if (mayRepeat) {
      // The same value again tells less than it says; what speaks against a signal still counts.
      const repeats = f.let(v128.and(v128.load(from, offset + SAME), risen.get));
      const limit = f.let(v128.andnot(f32x4.of(3e38), repeats.get));
      heard = v128.andnot(heard, repeats.get);
      gain = (l) => f32x4.pmin(limit.get, l);
    }
    f.set(loudBits, i32.or(loudBits.get, i32.shl(i32x4.bits(heard), shift.get)));
    for (const [g, a, b] of [
      [g0, a0, b0],
      [g1, a1, b1],
      [g2, a2, b2],
    ] as const) {
      f.set(g, f32x4.pmax(zero, f32x4.add(g.get, gain(f32x4.sub(f32x4.mul(a.get, p.get), b.get)))));
    }
    f.set(top, most(g0.get, g1.get, g2.get));
    f.set(peak, f32x4.pmax(peak.get, top.get));
    f.set(quiet, f32x4.lt(top.get, f32x4.of(FREEZE_NATS)));
    f.set(risen, f32x4.ge(top.get, f32x4.of(1)));
    f.set(quietBits, i32.or(quietBits.get, i32.shl(i32x4.bits(quiet.get), shift.get)));
    f.set(shift, i32.add(shift.get, i32.of(4)));
    f.set(pull, f32x4.add(pull.get, v128.and(v128.load(from, offset + OFF), quiet.get)));
    f.set(pulled, i32x4.sub(pulled.get, quiet.get));
    f.set(evSum, v128.and(f32x4.add(evSum.get, p.get), risen.get));
    f.set(evN, v128.and(i32x4.add(evN.get, i32x4.of(1)), risen.get));
  };
  const columns = column.map((c) => c.get) as unknown as Four<I32>;
  const noteBits = () => {
    f.store32(i32.shl(block.get, i32.of(2)), loudBits.get, LOUD_AT);
    f.store32(i32.shl(block.get, i32.of(2)), quietBits.get, QUIET_AT);
  };

  const base = i32.of(0);
  f.repeat(
    () => {
      f.set(anySame, zero);
      f.ifElse(
        i32.and(i32.eqz(i32.sub(left.get, i32.of(BLOCK))), i32.geU(rest.get, i32.of(BLOCK))),
        () => {
          // A whole block, unrolled.
          for (let half = 0; half < BLOCK; half += 4) {
            const values = turned(columns, 4 * half);
            for (const [j, value] of values.entries()) weigh(value.get, base, STEPS_AT + (half + j) * STEP);
          }
          const all = (mayRepeat: boolean) => () => {
            for (let j = 0; j < BLOCK; j++) advance(base, STEPS_AT + j * STEP, mayRepeat);
          };
          f.ifElse(v128.any(anySame.get), all(true), all(false));
          for (const c of column) f.set(c, i32.add(c.get, i32.of(4 * BLOCK)));
          f.set(rest, i32.sub(rest.get, i32.of(BLOCK)));
          f.set(left, i32.of(0));
        },
        () => {
          f.repeat(
            () => {
              weigh(word(columns, 0), base, STEPS_AT);
              advance(base, STEPS_AT, true);
              for (const c of column) f.set(c, i32.add(c.get, i32.of(4)));
              f.set(rest, i32.sub(rest.get, i32.of(1)));
              f.set(left, i32.sub(left.get, i32.of(1)));
            },
            () => i32.and(i32.ltU(i32.of(0), rest.get), i32.ltU(i32.of(0), left.get)),
          );
        },
      );
      f.if(i32.eqz(left.get), () => {
        const moved = f32x4.add(
          f32x4.mul(f32x4.of(FOLLOW_GAIN), pull.get),
          f32x4.mul(drift.get, f32x4.fromSigned(pulled.get)),
        );
        f.set(m, f32x4.add(m.get, moved));
        f.set(pull, zero);
        f.set(pulled, i32x4.of(0));
        f.set(winLow, f64x2.add(winLow.get, f64x2.fromLow(part.get)));
        f.set(winHigh, f64x2.add(winHigh.get, f64x2.fromLow(v128.pick(part.get, part.get, [2, 3, 2, 3]))));
        f.set(part, zero);
        noteBits();
        f.store(i32.shl(block.get, i32.of(4)), top.get, TOPS_AT);
        f.set(block, i32.add(block.get, i32.of(1)));
        f.store(i32.shl(block.get, i32.of(4)), m.get, FLOORS_AT);
        f.set(loudBits, i32.of(0));
        f.set(quietBits, i32.of(0));
        f.set(shift, i32.of(0));
        f.set(left, i32.of(BLOCK));
      });
    },
    () => rest.get,
  );

  noteBits();
  f.store(i32.of(0), peak.get, PEAK_AT);
  f.set(winMax, f32x4.pmax(winMax.get, maxP.get));
  f.set(winN, i32x4.add(winN.get, i32x4.splat(count)));
  f.set(pulledLone, v128.or(pulled.get, lone.get));
  const over = v128.or(f32x4.gt(maxP.get, bound.get), f32x4.ge(peak.get, v128.load(base, REACH_AT)));
  const refused = f.let(i32x4.bits(over));
  const hot = turn(m, g0, g1, g2);
  const sums = turn(pull, pulledLone, before, evSum);
  const window = turn(evN, winMax, winN, part);
  for (const k of lanes) {
    f.if(i32.eqz(i32.and(refused.get, i32.of(1 << k))), () => {
      f.store(record[k], hot[k].get, 0);
      f.store(record[k], sums[k].get, 4 * PULL);
      f.store(record[k], window[k].get, 4 * EV_N);
      f.store64(record[k], f64x2.lane((k < 2 ? winLow : winHigh).get, k % 2), 4 * WIN_SUM);
    });
  }
  const active = i32x4.bits(f32x4.ge(peak.get, f32x4.of(FREEZE_NATS)));
  const waiting = i32x4.bits(i32x4.gt(lone.get, i32x4.of(0)));
  const heard = i32x4.bits(f32x4.ge(maxP.get, loud.get));
  const answer = i32.or(
    i32.or(i32.shl(active, i32.of(ACTIVE_SHIFT)), i32.shl(waiting, i32.of(WAITING_SHIFT))),
    i32.shl(heard, i32.of(LOUD_SHIFT)),
  );
  return moduleOf(2 * GROUP + 2, f.finish(i32.or(refused.get, answer)));
}

/** What `SimdBank.run` answers: one bit a lane, those that were refused first. */
export const ACTIVE_SHIFT = 4;
/** Lanes whose newest reading before the run was loud and may prove to stand alone. */
export const WAITING_SHIFT = 8;
/** Lanes that have a loud reading in this run. */
export const LOUD_SHIFT = 12;
