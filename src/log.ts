import { type Logger, pino } from "pino";

export type { Logger };

/**
 * JSON lines on stderr, readable text when stderr is a terminal. stdout is left to the verbs' data.
 */
export function createLogger(level: string): Logger {
  if (process.stderr.isTTY) {
    return pino({
      level,
      transport: { target: "pino-pretty", options: { destination: 2, colorize: !process.env.NO_COLOR } },
    });
  }
  return pino({ level }, pino.destination({ dest: 2, sync: true }));
}
