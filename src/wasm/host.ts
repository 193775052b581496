/**
 * What is used of the host's WebAssembly; where it has none, or none with SIMD, there is none.
 */

export interface Memory {
  readonly buffer: ArrayBuffer;
  /** Everything that looks at the buffer has to look anew afterwards. */
  grow(pages: number): number;
}

/** Bytes of a page of memory. */
export const PAGE = 65_536;

interface Wasm {
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  Memory: new (limits: { initial: number }) => Memory;
  Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
}
declare const WebAssembly: Wasm | undefined;

function compiled(bytes: Uint8Array<ArrayBuffer>): object | null {
  if (typeof WebAssembly === "undefined" || !WebAssembly.validate(bytes)) return null;
  return new WebAssembly.Module(bytes);
}

/** A module, compiled once, when first asked for; null where the host has no WebAssembly or does not know its instructions. */
export function hosted(assemble: () => Uint8Array<ArrayBuffer>): () => object | null {
  let module: object | null | undefined;
  return () => {
    if (module === undefined) module = compiled(assemble());
    return module;
  };
}

/** An instance of a module of `emitter.ts` with `bytes` of memory of its own; null where the host has no memory to give. */
export function instanceOf(
  module: object,
  bytes: number,
): { readonly memory: Memory; readonly run: (...args: number[]) => number } | null {
  if (typeof WebAssembly === "undefined") return null;
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
    const instance = new WebAssembly.Instance(module, { env: { memory } });
    return { memory, run: instance.exports.run as (...args: number[]) => number };
  } catch {
    return null;
  }
}

/** Pieces are given out at multiples of this, bytes: what a vector may be loaded from. */
const ALIGNED = 16;

/** Memory that is given out piece by piece and never back, of a module's instance; or plain memory, where `run` is null. */
export class Heap {
  readonly run: ((...args: number[]) => number) | null;
  readonly #memory: Memory | null;
  #plain = new ArrayBuffer(PAGE);
  #used: number;

  /** `module`: null for plain memory. The first `fixed` bytes, no more than a page, are the module's own. */
  constructor(module: object | null, fixed: number) {
    const made = module === null ? null : instanceOf(module, PAGE);
    this.run = made?.run ?? null;
    this.#memory = made?.memory ?? null;
    this.#used = fixed;
  }

  /** All of it; another one once a piece had no room. */
  get buffer(): ArrayBuffer {
    return this.#memory?.buffer ?? this.#plain;
  }

  /** Where so many bytes more are. Throws RangeError where there is no memory for them. */
  take(bytes: number): number {
    const at = ALIGNED * Math.ceil(this.#used / ALIGNED);
    this.#used = at + bytes;
    const missing = Math.ceil((this.#used - this.buffer.byteLength) / PAGE);
    if (missing > 0 && this.#memory !== null) this.#memory.grow(missing);
    else if (missing > 0) {
      const larger = new ArrayBuffer(this.#plain.byteLength + missing * PAGE);
      new Uint8Array(larger).set(new Uint8Array(this.#plain));
      this.#plain = larger;
    }
    return at;
  }
}
