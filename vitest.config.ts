import { defineConfig } from "vitest/config";

// `npm test` runs everything that needs no other program; `npm run test:real` sets CELLWARD_REAL=1 and adds the tests
// against a real mosquitto, InfluxDB and Chromium (files named *.real.test.ts).
const real = process.env.CELLWARD_REAL === "1";

export default defineConfig({
  test: {
    include: real ? ["test/**/*.real.test.ts"] : ["test/**/*.test.ts"],
    exclude: real ? ["**/node_modules/**"] : ["**/node_modules/**", "**/*.real.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores is what CI has; real servers and benches share them.
    maxWorkers: 2,
  },
});
