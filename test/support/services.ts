import { afterEach } from "vitest";
import { removeDir, startTestService, type TestService, type TestServiceOptions, temporaryDir } from "./service.ts";

/** Services of one test file: whatever a test leaves running or lying about is ended and removed after it. */
export function servicesOfTests() {
  const running = new Set<TestService>();
  const dirs = new Set<string>();
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
    for (const made of running) await made.stop();
    running.clear();
    for (const dir of dirs) removeDir(dir);
    dirs.clear();
  });
  const dir = (): string => {
    const made = temporaryDir();
    dirs.add(made);
    return made;
  };
  return {
    dir,
    /** In a folder of its own, if none is given. */
    async start(options: TestServiceOptions): Promise<TestService> {
      const made = await startTestService({ ...options, dir: options.dir ?? dir() });
      running.add(made);
      return made;
    },
    async stop(made: TestService): Promise<void> {
      running.delete(made);
      await made.stop();
    },
    /** Before the services are stopped, in the order given. */
    atEnd(close: () => Promise<unknown>): void {
      closers.push(close);
    },
  };
}
