/**
 * The only registry of sensor models: name in the birth's `model` to codec. See README.md for adding one.
 */
import type { SensorCodec } from "../src/contracts.ts";
import { cellward } from "./cellward/codec.ts";
import { scannerCodec } from "./scanner/codec.ts";

/** The first is the default, for every model that is not listed. */
export const CODECS: readonly SensorCodec[] = [cellward, scannerCodec(cellward)];

export { messageKind, messageTopic } from "./cellward/encode.ts";
export { PAYLOAD_SCHEMAS } from "./cellward/schema.ts";
