/**
 * A small assembler for WebAssembly: expressions are values with a type, statements append bytes. What is written with it reads
 * like the loop it becomes (`src/detect/bank-module.ts`, `src/fuse/whitener-module.ts`). Only the instructions that are used here are known.
 *
 * Source: WebAssembly core specification 2.0, chapter 5 (binary format) and its table of SIMD instructions.
 */

export type Type = "i32" | "f32" | "f64" | "v128";
const TYPE_CODE: Record<Type, number> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** A value on the stack: the bytes that leave it there. */
export interface Expr<T extends Type> {
  readonly type: T;
  readonly bytes: readonly number[];
}

type I32 = Expr<"i32">;
type F64 = Expr<"f64">;
type V128 = Expr<"v128">;

/** Unsigned LEB128. */
function unsigned(n: number): number[] {
  const bytes: number[] = [];
  let rest = n >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** Signed LEB128. */
function signed(n: number): number[] {
  const bytes: number[] = [];
  let rest = n | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

function floatBytes(value: number): number[] {
  return [...new Uint8Array(new Float32Array([value]).buffer)];
}

function expr<T extends Type>(type: T, ...parts: readonly (readonly number[])[]): Expr<T> {
  return { type, bytes: parts.flat() };
}

const op1 =
  <A extends Type, R extends Type>(result: R, ...code: number[]) =>
  (a: Expr<A>): Expr<R> =>
    expr(result, a.bytes, code);
const op2 =
  <A extends Type, B extends Type, R extends Type>(result: R, ...code: number[]) =>
  (a: Expr<A>, b: Expr<B>): Expr<R> =>
    expr(result, a.bytes, b.bytes, code);

const simd = (code: number) => [0xfd, ...unsigned(code)];
const vv = (code: number) => op2<"v128", "v128", "v128">("v128", ...simd(code));
const v = (code: number) => op1<"v128", "v128">("v128", ...simd(code));

/** `align` is the exponent of the alignment that may be assumed: 0, none. */
const memarg = (offset: number) => [0, ...unsigned(offset)];

export const i32 = {
  of: (n: number): I32 => expr("i32", [0x41], signed(n)),
  add: op2<"i32", "i32", "i32">("i32", 0x6a),
  sub: op2<"i32", "i32", "i32">("i32", 0x6b),
  mul: op2<"i32", "i32", "i32">("i32", 0x6c),
  and: op2<"i32", "i32", "i32">("i32", 0x71),
  or: op2<"i32", "i32", "i32">("i32", 0x72),
  shl: op2<"i32", "i32", "i32">("i32", 0x74),
  shr: op2<"i32", "i32", "i32">("i32", 0x76),
  shrS: op2<"i32", "i32", "i32">("i32", 0x75),
  eqz: op1<"i32", "i32">("i32", 0x45),
  ltU: op2<"i32", "i32", "i32">("i32", 0x49),
  geU: op2<"i32", "i32", "i32">("i32", 0x4f),
  gtS: op2<"i32", "i32", "i32">("i32", 0x4a),
  /** a where c is not zero, else b. */
  select: (a: I32, b: I32, c: I32): I32 => expr("i32", a.bytes, b.bytes, c.bytes, [0x1b]),
  load: (at: I32, offset: number): I32 => expr("i32", at.bytes, [0x28], memarg(offset)),
};

export const f64 = {
  load: (at: I32, offset: number): F64 => expr("f64", at.bytes, [0x2b], memarg(offset)),
  add: op2<"f64", "f64", "f64">("f64", 0xa0),
  mul: op2<"f64", "f64", "f64">("f64", 0xa2),
  lt: op2<"f64", "f64", "i32">("i32", 0x63),
  fromSigned: op1<"i32", "f64">("f64", 0xb7),
};

export const f32x4 = {
  of: (n: number): V128 => expr("v128", simd(0x0c), floatBytes(n), floatBytes(n), floatBytes(n), floatBytes(n)),
  abs: v(0xe0),
  floor: v(0x68),
  add: vv(0xe4),
  sub: vv(0xe5),
  mul: vv(0xe6),
  div: vv(0xe7),
  /** b < a ? b : a, so a where b is not a number. */
  pmin: vv(0xea),
  /** a < b ? b : a, so a where b is not a number. */
  pmax: vv(0xeb),
  eq: vv(0x41),
  lt: vv(0x43),
  gt: vv(0x44),
  ge: vv(0x46),
  fromSigned: v(0xfa),
};

export const i32x4 = {
  of: (n: number): V128 =>
    expr("v128", simd(0x0c), ...new Array(4).fill([...new Uint8Array(new Int32Array([n]).buffer)])),
  splat: op1<"i32", "v128">("v128", ...simd(0x11)),
  lane: (a: V128, lane: number): I32 => expr("i32", a.bytes, simd(0x1b), [lane]),
  /** One bit a lane: its sign. */
  bits: op1<"v128", "i32">("i32", ...simd(0xa4)),
  shl: op2<"v128", "i32", "v128">("v128", ...simd(0xab)),
  shr: op2<"v128", "i32", "v128">("v128", ...simd(0xac)),
  shrU: op2<"v128", "i32", "v128">("v128", ...simd(0xad)),
  add: vv(0xae),
  sub: vv(0xb1),
  gt: vv(0x3b),
  min: vv(0xb6),
  max: vv(0xb8),
  /** The four lower, the four upper of eight signed lanes of two bytes. */
  fromLow16: v(0xa7),
  fromHigh16: v(0xa8),
};

export const f64x2 = {
  /** The two lower lanes as float64. */
  fromLow: v(0x5f),
  add: vv(0xf0),
  lane: (a: V128, lane: number): F64 => expr("f64", a.bytes, simd(0x21), [lane]),
};

export const v128 = {
  load: (at: I32, offset: number): V128 => expr("v128", at.bytes, simd(0x00), memarg(offset)),
  /** Four bytes into all lanes. */
  load32Splat: (at: I32, offset: number): V128 => expr("v128", at.bytes, simd(0x09), memarg(offset)),
  /** Four bytes into the first lane, the others zero. */
  load32: (at: I32, offset: number): V128 => expr("v128", at.bytes, simd(0x5c), memarg(offset)),
  load64: (at: I32, offset: number): V128 => expr("v128", at.bytes, simd(0x5d), memarg(offset)),
  load16Lane: (at: I32, into: V128, offset: number, lane: number): V128 =>
    expr("v128", at.bytes, into.bytes, simd(0x55), memarg(offset), [lane]),
  load32Lane: (at: I32, into: V128, offset: number, lane: number): V128 =>
    expr("v128", at.bytes, into.bytes, simd(0x56), memarg(offset), [lane]),
  load64Lane: (at: I32, into: V128, offset: number, lane: number): V128 =>
    expr("v128", at.bytes, into.bytes, simd(0x57), memarg(offset), [lane]),
  and: vv(0x4e),
  /** a and not b. */
  andnot: vv(0x4f),
  or: vv(0x50),
  /** 1 when any bit is set. */
  any: op1<"v128", "i32">("i32", ...simd(0x53)),
  /** Bits of `a` where `mask` is set, of `b` elsewhere. */
  select: (a: V128, b: V128, mask: V128): V128 => expr("v128", a.bytes, b.bytes, mask.bytes, simd(0x52)),
  /** Lanes of four bytes picked by number: 0..3 of a, 4..7 of b. */
  pick: (a: V128, b: V128, lanes: readonly [number, number, number, number]): V128 =>
    expr(
      "v128",
      a.bytes,
      b.bytes,
      simd(0x0d),
      lanes.flatMap((l) => [4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3]),
    ),
};

/** A local variable or parameter. */
export class Local<T extends Type> {
  readonly index: number;
  readonly get: Expr<T>;
  readonly type: T;

  constructor(index: number, type: T) {
    this.index = index;
    this.type = type;
    this.get = expr(type, [0x20], unsigned(index));
  }
}

/** The body of one function that takes `params` numbers (i32) and gives one (i32). */
export class Body {
  readonly #params: number;
  readonly #locals: Type[] = [];
  readonly #code: number[] = [];

  constructor(params: number) {
    this.#params = params;
  }

  param(index: number): Local<"i32"> {
    return new Local(index, "i32");
  }

  local<T extends Type>(type: T): Local<T> {
    this.#locals.push(type);
    return new Local(this.#params + this.#locals.length - 1, type);
  }

  /** A new local with a value. */
  let<T extends Type>(value: Expr<T>): Local<T> {
    const local = this.local(value.type);
    this.set(local, value);
    return local;
  }

  set<T extends Type>(local: Local<T>, value: Expr<T>): void {
    this.#code.push(...value.bytes, 0x21, ...unsigned(local.index));
  }

  store(at: I32, value: V128, offset: number): void {
    this.#code.push(...at.bytes, ...value.bytes, ...simd(0x0b), ...memarg(offset));
  }

  store32(at: I32, value: I32, offset: number): void {
    this.#code.push(...at.bytes, ...value.bytes, 0x36, ...memarg(offset));
  }

  store64(at: I32, value: F64, offset: number): void {
    this.#code.push(...at.bytes, ...value.bytes, 0x39, ...memarg(offset));
  }

  store32Lane(at: I32, value: V128, offset: number, lane: number): void {
    this.#code.push(...at.bytes, ...value.bytes, ...simd(0x5a), ...memarg(offset), lane);
  }

  if(condition: I32, then: () => void): void {
    this.#code.push(...condition.bytes, 0x04, 0x40);
    then();
    this.#code.push(0x0b);
  }

  ifElse(condition: I32, then: () => void, otherwise: () => void): void {
    this.#code.push(...condition.bytes, 0x04, 0x40);
    then();
    this.#code.push(0x05);
    otherwise();
    this.#code.push(0x0b);
  }

  /** Runs `body` again and again while `again`, looked at after it, is not zero. */
  repeat(body: () => void, again: () => I32): void {
    this.#code.push(0x03, 0x40);
    body();
    this.#code.push(...again().bytes, 0x0d, 0, 0x0b);
  }

  /** Bytes of the function with its result. */
  finish(result: I32): number[] {
    const locals = this.#locals.flatMap((type) => [1, TYPE_CODE[type]]);
    const code = [...unsigned(this.#locals.length), ...locals, ...this.#code, ...result.bytes, 0x0b];
    return [...unsigned(code.length), ...code];
  }
}

function section(id: number, ...content: readonly (readonly number[])[]): number[] {
  const bytes = content.flat();
  return [id, ...unsigned(bytes.length), ...bytes];
}

/** A module that imports its memory as `env.memory` and exports the one function as `run`. */
export function moduleOf(params: number, body: readonly number[]): Uint8Array<ArrayBuffer> {
  const name = (text: string) => [text.length, ...[...text].map((c) => c.charCodeAt(0))];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, ...unsigned(params)], new Array(params).fill(TYPE_CODE.i32), [1, TYPE_CODE.i32]),
    ...section(2, [1], name("env"), name("memory"), [0x02, 0x00, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1], name("run"), [0x00, 0]),
    ...section(10, [1], body),
  ]);
}
