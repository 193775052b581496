/**
 * Files that may be compressed, as streams in constant memory: plain, gzip and zstd.
 *
 * One zstd implementation for every Node version: `zlib` has it only from 22.15 on and stops after the first frame of a
 * file. Reading goes through fzstd (a streaming decoder); writing makes independent frames of at most a mebibyte, so that
 * no compressor state is shared between files and a file cut off loses its last frame only.
 */
import { createReadStream, createWriteStream, type ReadStream, type WriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip, createGzip, constants as zlibConstants } from "node:zlib";
import { Zstd } from "@hpcc-js/wasm-zstd";
import { Decompress } from "fzstd";
import { type AppError, unreadable, unwritable } from "../errors.ts";

export type Compression = "none" | "gzip" | "zstd";

/** Bytes read from disk at once: large enough to make the per-chunk cost vanish, small enough for constant memory. */
const READ_BYTES = 1 << 18;
/** Plain bytes a zstd frame or a write to gzip holds at most. */
const FRAME_BYTES = 1 << 20;
/** zlib's 1..9: traces are written on the fly, level 4 costs half of the default's time for a few per cent of size. */
const GZIP_LEVEL = 4;

/** How far a file was read: of its bytes on disk, compressed ones where it is compressed. */
export interface ReadMeter {
  readBytes: number;
  sizeBytes: number;
}

/** A damaged compressed stream; the reader above adds the line it got to. */
export class CompressionError extends Error {}

/** What a file is by its name: `.gz`, `.zst`, else plain. */
export function compressionOfName(path: string): Compression {
  if (path.endsWith(".gz")) return "gzip";
  if (path.endsWith(".zst")) return "zstd";
  return "none";
}

function compressionOfBytes(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return "zstd";
  return "none";
}

/**
 * The plain bytes of a file, in chunks that the caller may keep.
 *
 * The first bytes decide, not the name: a renamed file reads just as well, and a file named `.gz` that is no gzip is
 * refused. Errors: AppError FILE_UNREADABLE; CompressionError where the compressed data is damaged or cut off.
 */
export async function* readPlain(path: string, meter?: ReadMeter): AsyncGenerator<Buffer> {
  const compression = await sniff(path, meter);
  const file = createReadStream(path, { highWaterMark: READ_BYTES });
  if (meter) {
    // "data" would start the flow; counting in the stream's own push keeps its pace the reader's.
    const push = file.push.bind(file);
    file.push = (chunk, ...rest) => {
      meter.readBytes += chunk?.length ?? 0;
      return push(chunk, ...rest);
    };
  }
  try {
    if (compression === "none") yield* guard(path, file);
    else if (compression === "gzip") yield* readGzip(path, file);
    else yield* readZstd(path, file);
  } finally {
    file.destroy();
  }
}

async function sniff(path: string, meter?: ReadMeter): Promise<Compression> {
  const head = Buffer.alloc(4);
  let length = 0;
  try {
    const file = await open(path, "r");
    try {
      length = (await file.read(head, 0, 4, 0)).bytesRead;
      if (meter) meter.sizeBytes = (await file.stat()).size;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  const found = compressionOfBytes(head.subarray(0, length));
  const named = compressionOfName(path);
  if (found === "none" && named !== "none") {
    throw new CompressionError(`the name says ${named}, but the file does not begin with ${named} data`);
  }
  return found;
}

async function* guard(path: string, stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* stream;
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code?.startsWith("Z_") ? error : unreadable(path, error);
  }
}

async function* readGzip(path: string, file: ReadStream): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: READ_BYTES });
  file.on("error", (error) => gunzip.destroy(error));
  file.pipe(gunzip);
  try {
    yield* gunzip as AsyncIterable<Buffer>;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "Z_BUF_ERROR") throw new CompressionError("the gzip data ends too early: the file was cut off");
    if (code?.startsWith("Z_")) throw new CompressionError(`the gzip data is damaged (${(error as Error).message})`);
    throw unreadable(path, error);
  }
}

async function* readZstd(path: string, file: ReadStream): AsyncGenerator<Buffer> {
  let ready: Buffer[] = [];
  const decoder = new Decompress((chunk) => {
    ready.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  });
  const push = (chunk: Uint8Array, last: boolean) => {
    try {
      decoder.push(chunk, last);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new CompressionError(
        text === "unexpected EOF"
          ? "the zstd data ends too early: the file was cut off"
          : `the zstd data is damaged (${text})`,
      );
    }
    const out = ready;
    ready = [];
    return out;
  };
  for await (const chunk of guard(path, file)) {
    yield* push(chunk, false);
  }
  yield* push(new Uint8Array(0), true);
}

/** Takes bytes and makes the file of them. */
export interface ByteSink {
  /** Resolves once the bytes may be forgotten and more may come: the back-pressure. */
  write(bytes: Buffer): Promise<void>;
  /** Everything written so far is in the file, and readable from it. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Creates (or empties) a file to write to; the name's ending says how it is compressed. Errors: FILE_UNWRITABLE. */
export async function openSink(path: string): Promise<ByteSink> {
  const compression = compressionOfName(path);
  const file = createWriteStream(path);
  await new Promise<void>((resolve, reject) => {
    file.once("open", () => resolve());
    file.once("error", reject);
  }).catch((error) => {
    throw unwritable(path, error);
  });
  if (compression === "gzip") return gzipSink(path, file);
  if (compression === "zstd") return zstdSink(path, file, await Zstd.load());
  return plainSink(path, file);
}

function plainSink(path: string, file: WriteStream): ByteSink {
  const failure = watch(path, file);
  return {
    write: (bytes) => failure.guard((done) => file.write(bytes, done)),
    flush: () => failure.guard((done) => file.write("", done)),
    close: () => failure.guard((done) => file.end(done)),
  };
}

function gzipSink(path: string, file: WriteStream): ByteSink {
  const failure = watch(path, file);
  const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: READ_BYTES });
  gzip.pipe(file);
  return {
    write: (bytes) => failure.guard((done) => gzip.write(bytes, done)),
    flush: () => failure.guard((done) => gzip.flush(zlibConstants.Z_SYNC_FLUSH, () => done())),
    close: () =>
      failure.guard((done) => {
        file.once("finish", () => done());
        gzip.end();
      }),
  };
}

function zstdSink(path: string, file: WriteStream, zstd: Zstd): ByteSink {
  const plain = plainSink(path, file);
  let held: Buffer[] = [];
  let heldBytes = 0;
  const flush = async () => {
    const whole = Buffer.concat(held);
    held = [];
    heldBytes = 0;
    for (let at = 0; at < whole.length; at += FRAME_BYTES) {
      await plain.write(Buffer.from(zstd.compress(whole.subarray(at, at + FRAME_BYTES))));
    }
  };
  return {
    async write(bytes) {
      held.push(bytes);
      heldBytes += bytes.length;
      if (heldBytes >= FRAME_BYTES) await flush();
    },
    flush,
    async close() {
      await flush();
      await plain.close();
    },
  };
}

/** Turns a stream's error event, which may come at any time, into the rejection of the call that is waiting or comes next. */
function watch(path: string, file: WriteStream) {
  let failed: AppError | null = null;
  const waiting = new Set<(error: AppError) => void>();
  file.on("error", (error) => {
    failed ??= unwritable(path, error);
    for (const reject of waiting) reject(failed);
    waiting.clear();
  });
  return {
    guard(start: (done: (error?: Error | null) => void) => void): Promise<void> {
      if (failed) return Promise.reject(failed);
      return new Promise((resolve, reject) => {
        waiting.add(reject);
        start((error) => {
          if (error) return; // the error event tells every waiting call
          waiting.delete(reject);
          resolve();
        });
      });
    },
  };
}
