/** Every command in the documents is either run, here or by `npm run test:real`, or says why not. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Checkout, commandBlocks, DOCUMENTS, root } from "./documents.ts";

for (const file of DOCUMENTS) {
  describe(`documents: ${file}`, () => {
    const blocks = commandBlocks(file);
    const checkout = new Checkout();
    afterAll(() => checkout.close());

    test(`documents: ${file}: every block says who runs it`, () => {
      const known = ["npm test", "npm run test:real", ".ci/run"];
      for (const block of blocks) {
        if (block.runBy === null) expect(block.reason!.length, `${file}:${block.line}`).toBeGreaterThan(10);
        else expect(known, `${file}:${block.line}`).toContain(block.runBy);
      }
    });

    test.each(blocks.filter((b) => b.runBy === ".ci/run"))(
      `documents: ${file}:$line: .ci/run runs each of its commands`,
      ({ text }) => {
        const script = readFileSync(join(root, ".ci", "run"), "utf8");
        for (const command of text.split("\n"))
          expect(script).toContain(command.replace(/^npm run (?!-s)/, "npm run -s "));
      },
    );

    test.each(blocks.filter((b) => b.runBy === "npm test"))(
      `documents: ${file}:$line: the block does what it should`,
      async (block) => {
        await checkout.run(block, 50_000);
      },
    );
  });
}
