/** The commands of the documents that need a real broker; they are typed with the usual ports and run on free ones. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort, type RunningServer, startMosquitto } from "../support/servers.ts";
import { Checkout, commandBlocks, DOCUMENTS } from "./documents.ts";

for (const file of DOCUMENTS) {
  const blocks = commandBlocks(file).filter((b) => b.runBy === "npm run test:real");
  if (blocks.length === 0) continue;
  describe(`documents: ${file}`, () => {
    const checkout = new Checkout();
    let broker: RunningServer;
    let httpPort: number;
    beforeAll(async () => {
      broker = await startMosquitto();
      httpPort = await freePort();
    });
    afterAll(async () => {
      const codes = await checkout.close();
      await broker.stop();
      expect(codes.filter((code) => code !== 0)).toEqual([]);
    });
    const replace = (text: string) =>
      text
        .replaceAll("127.0.0.1:1883", `127.0.0.1:${broker.port}`)
        .replaceAll("mosquitto_pub ", `mosquitto_pub -p ${broker.port} `)
        .replaceAll("8080", String(httpPort));

    test.each(blocks)(
      `documents: ${file}:$line: the block does what it should`,
      async (block) => {
        await checkout.run(block, 280_000, replace);
      },
      300_000,
    );
  });
}
