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
  const memory = memoryOf(bytes);
  return memory === null ? null : { memory, run: linked(module, memory) };
}

function memoryOf(bytes: number): Memory | null {
  if (typeof WebAssembly === "undefined") return null;
  try {
    return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
  } catch {
    return null;
  }
}

function linked(module: object, memory: Memory): (...args: number[]) => number {
  const instance = new WebAssembly!.Instance(module, { env: { memory } });
  return instance.exports.run as (...args: number[]) => number;
}

/** Pieces are given out at multiples of this, bytes: what a vector may be loaded from. */
const ALIGNED = 16;

/**
 * Memory that is given out piece by piece and never back, for any number of modules; plain memory where the host has no
 * WebAssembly. Its views are others once a piece had no room: to be asked for after `take`.
 */
export class Heap {
  readonly #memory: Memory | null;
  #plain = new ArrayBuffer(PAGE);
  #used = 0;
  floats!: Float32Array;
  ints!: Int32Array;
  shorts!: Int16Array;

  /** `plain`: without WebAssembly, whatever the host has. */
  constructor(plain: boolean) {
    this.#memory = plain ? null : memoryOf(PAGE);
    this.#look();
  }

  #look(): void {
    const buffer = this.#memory?.buffer ?? this.#plain;
    this.floats = new Float32Array(buffer);
    this.ints = new Int32Array(buffer);
    this.shorts = new Int16Array(buffer);
  }

  /** The function of an instance of a module over this memory; null where the memory is plain. */
  link(module: object | null): ((...args: number[]) => number) | null {
    return module === null || this.#memory === null ? null : linked(module, this.#memory);
  }

  /** Where so many bytes more are. Throws RangeError where there is no memory for them. */
  take(bytes: number): number {
    const at = ALIGNED * Math.ceil(this.#used / ALIGNED);
    this.#used = at + bytes;
    const missing = Math.ceil((this.#used - this.ints.byteLength) / PAGE);
    if (missing <= 0) return at;
    if (this.#memory !== null) this.#memory.grow(missing);
    else {
      const larger = new ArrayBuffer(this.#plain.byteLength + missing * PAGE);
      new Uint8Array(larger).set(new Uint8Array(this.#plain));
      this.#plain = larger;
    }
    this.#look();
    return at;
  }
}
