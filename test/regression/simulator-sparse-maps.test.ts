import { expect, it } from "vitest";
import { simulate } from "../../simulator/index.ts";

// An episode that is on the air but that no sensor hears, followed by one that is heard, left a hole in the receiver's list.
it("simulator: people far outside beside people nearby: the run does not break", () => {
  let messages = 0;
  for (const _ of simulate("street-outside", 1, { durationS: 360 }).messages()) messages++;
  expect(messages).toBeGreaterThan(5000);
});
