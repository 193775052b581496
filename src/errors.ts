/**
 * The catalogue of operating errors: what can go wrong that is nobody's bug. Each has a code, the stage it belongs to and
 * the exit code it leads to when it ends a command. docs/errors.md lists the same, and a test holds the two together.
 */

export const EXIT = { ok: 0, internal: 1, usage: 2, input: 3, dependency: 4, threshold: 99 } as const;

interface CatalogueEntry {
  readonly stage: string;
  readonly exit: number;
  readonly retryable: boolean;
  readonly meaning: string;
}

export const CATALOGUE = {
  USAGE: { stage: "cli", exit: EXIT.usage, retryable: false, meaning: "The command line can't be understood." },
  CONFIG_INVALID: {
    stage: "config",
    exit: EXIT.input,
    retryable: false,
    meaning: "The configuration file has problems; all are listed.",
  },
  SITE_INVALID: {
    stage: "config",
    exit: EXIT.input,
    retryable: false,
    meaning: "The site file has problems; all are listed with their paths.",
  },
  FILE_UNREADABLE: {
    stage: "cli",
    exit: EXIT.input,
    retryable: false,
    meaning: "An input file is missing or can't be read.",
  },
  FILE_UNWRITABLE: {
    stage: "cli",
    exit: EXIT.input,
    retryable: false,
    meaning: "An output file or folder can't be written.",
  },
  TRACE_INVALID: {
    stage: "cli",
    exit: EXIT.input,
    retryable: false,
    meaning: "A trace or truth file is damaged or of another version; the line is named.",
  },
  SCENARIO_INVALID: {
    stage: "cli",
    exit: EXIT.input,
    retryable: false,
    meaning: "A scenario file can't be used; every problem is named.",
  },
  CALIBRATION_INVALID: {
    stage: "fuse",
    exit: EXIT.input,
    retryable: false,
    meaning: "A calibration or label file can't be used; the reason is named.",
  },
  SERIES_INVALID: {
    stage: "detect",
    exit: EXIT.input,
    retryable: false,
    meaning: "A CSV of a series can't be used; the line is named.",
  },
  BROKER_UNAVAILABLE: {
    stage: "ingest",
    exit: EXIT.dependency,
    retryable: true,
    meaning: "The MQTT broker can't be reached or refuses us.",
  },
  STORE_UNAVAILABLE: {
    stage: "store",
    exit: EXIT.dependency,
    retryable: true,
    meaning: "The time-series database can't be reached or refuses us.",
  },
  JOURNAL_FAILED: {
    stage: "store",
    exit: 70,
    retryable: false,
    meaning: "The durable log could not be synced to disk; the process ends without acknowledging.",
  },
  DATA_DIR_LOCKED: {
    stage: "store",
    exit: EXIT.dependency,
    retryable: true,
    meaning: "Another process uses the data folder; two would overwrite each other's log.",
  },
  PORT_TAKEN: {
    stage: "http",
    exit: EXIT.dependency,
    retryable: true,
    meaning: "The port to listen on is in use, or the address is not this machine's.",
  },
  TOKEN_MISSING: {
    stage: "http",
    exit: EXIT.input,
    retryable: false,
    meaning: "The API would listen beyond loopback without a token.",
  },
  THRESHOLD_MISSED: {
    stage: "cli",
    exit: EXIT.threshold,
    retryable: false,
    meaning: "A stated threshold was not met.",
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof CATALOGUE;

const WHY_UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "no permission to read it",
};

/** Why the system refused, in words; as it says where it is none of the usual reasons. */
function reason(words: Readonly<Record<string, string>>, cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return words[code ?? ""] ?? message;
}

/** FILE_UNREADABLE of a file (or `what` it is, and the file) with the reason in words, from what the file system threw. */
export function unreadable(what: string, cause: unknown): AppError {
  return new AppError("FILE_UNREADABLE", `${what}: ${reason(WHY_UNREADABLE, cause)}`, { cause });
}

const WHY_UNWRITABLE: Readonly<Record<string, string>> = {
  ENOENT: "the folder it would lie in is not there, or takes nothing new",
  ENOTDIR: "a file stands where a folder should be",
  EEXIST: "a file stands there",
  EISDIR: "it is a folder",
  EACCES: "no permission to write it",
  EPERM: "no permission to write it",
  EROFS: "its file system is read-only",
  ENOSPC: "the disk is full",
};

/** FILE_UNWRITABLE of a file or folder (or `what` it is, and the file) with the reason in words. */
export function unwritable(what: string, cause: unknown): AppError {
  return new AppError("FILE_UNWRITABLE", `${what}: ${reason(WHY_UNWRITABLE, cause)}`, { cause });
}

/** What the file system refuses, whatever is there. */
const REFUSALS: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC"]);

/** The error as FILE_UNWRITABLE where the file system refused a file or folder, say one that was made under another account; else as it is. */
export function asRefusal(error: unknown): unknown {
  const { code, path } = error as NodeJS.ErrnoException;
  return REFUSALS.has(code ?? "") && path !== undefined ? unwritable(path, error) : error;
}

const WHY_UNHEARD: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "no permission for that port",
  ENOTFOUND: "there is no such host",
};

/** PORT_TAKEN of `what` would listen there, with the reason in words and the setting that says otherwise. */
export function unheard(what: string, at: { host: string; port: number }, setting: string, cause: unknown): AppError {
  const host = at.host.includes(":") ? `[${at.host}]` : at.host;
  const why = reason(WHY_UNHEARD, cause);
  return new AppError("PORT_TAKEN", `${what} can't listen on ${host}:${at.port}: ${why}; ${setting}`, { cause });
}

/** An operating error: expected badness that ends what was asked for. Programmer errors are plain `Error`s and crash. */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** Further lines for people, e.g. every problem of a site file. */
  readonly details: readonly string[];

  constructor(code: ErrorCode, message: string, options: { details?: readonly string[]; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.details = options.details ?? [];
  }

  get exitCode(): number {
    return CATALOGUE[this.code].exit;
  }
  get stage(): string {
    return CATALOGUE[this.code].stage;
  }
  get retryable(): boolean {
    return CATALOGUE[this.code].retryable;
  }
}
