/** Recorded MQTT traffic, its truth and its labels, as files (contracts section 4). */
export { checkJson, type RawMessage } from "./line.ts";
export { damaged } from "./lines.ts";
export { openTrace, type TraceMessage, type TraceReader } from "./reader.ts";
export { readJsonLines, readLabels, readTruth, truthPathOf, writeTruth } from "./truth.ts";
export { createTraceWriter, type OutgoingMessage, type TraceWriter } from "./writer.ts";
