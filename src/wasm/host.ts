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

/** A module, compiled; null where the host has no WebAssembly or does not know its instructions. */
export function compiled(bytes: Uint8Array<ArrayBuffer>): object | null {
  if (typeof WebAssembly === "undefined" || !WebAssembly.validate(bytes)) return null;
  return new WebAssembly.Module(bytes);
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
