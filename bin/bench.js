// `npm run bench*`: installs what is missing and runs one bench, a TypeScript file under test/bench, through tsx. Further
// arguments go to the bench.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, root } from "./setup.js";

const benches = {
  faults: "test/bench/faults/index.ts",
  store: "test/bench/store.ts",
  price: "test/bench/price.ts",
  soak: "test/bench/soak.ts",
  alerts: "test/bench/alerts.ts",
  main: "test/bench/main.ts",
  badinput: "test/bench/badinput.ts",
  detect: "test/bench/detect/speed.ts",
  delay: "test/bench/detect/delay.ts",
  null: "test/bench/detect/null.ts",
  bursts: "test/bench/detect/bursts.ts",
  locate: "test/bench/locate.ts",
  uncalibrated: "test/bench/uncalibrated.ts",
  surveys: "test/bench/surveys.ts",
  worlds: "test/bench/worlds.ts",
  plan: "test/bench/plan.ts",
  "locate-speed": "test/bench/locate-speed.ts",
  tablea: "test/bench/tablea.ts",
  simulate: "test/bench/simulate.ts",
  "sensor-loss": "test/bench/sensor-loss.ts",
  reliability: "test/bench/reliability.ts",
  liar: "test/bench/liar.ts",
  belief: "test/bench/belief.ts",
  loss: "test/bench/loss.ts",
  outside: "test/bench/outside.ts",
  walk: "test/bench/walk.ts",
  two: "test/bench/two.ts",
  replay: "test/bench/replay.ts",
};
const [name = "", ...rest] = process.argv.slice(2);
const file = benches[name];
if (file === undefined || !existsSync(join(root, file))) {
  process.stderr.write(`bench: say which: ${Object.keys(benches).join(", ")}\n`);
  process.exit(2);
}
ensureInstalled();
const done = spawnSync(process.execPath, ["--import", "tsx", join(root, file), ...rest], {
  cwd: root,
  stdio: "inherit",
});
process.exit(done.status ?? 1);
