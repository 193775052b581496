/**
 * The topic grammar of contracts section 1: `cellward/v1/{site}/{block}/{sensor}/{kind}`.
 */
import type { SensorAddress } from "../contracts.ts";
import type { Reject, RejectCode, Site } from "../model.ts";

export const SENSOR_KINDS = ["birth", "state", "reading", "readings", "scan", "health", "presence"] as const;

const ID = /^[a-z0-9][a-z0-9-]{0,31}$/;
const KINDS: ReadonlySet<string> = new Set(SENSOR_KINDS);
/** A topic of ours has at most 9 + 1 + 2 + 1 + 3 * 33 + 8 characters; a longer one is not looked at further. */
const MAX_TOPIC_LENGTH = 128;

/**
 * Topics to subscribe to. "all": everything below `cellward/v1`, so that messages for another site and malformed topics are
 * seen and counted; "site": only this site's, for a broker shared with others.
 */
export function subscriptions(siteId: string, scope: "all" | "site"): string[] {
  return [scope === "all" ? "cellward/v1/#" : `cellward/v1/${siteId}/#`];
}

/** Whether the service itself (this one or another) sends on the topic: acknowledgements, alerts, its own state. */
export function isServiceTopic(topic: string): boolean {
  return topic.endsWith("/ack") || /^cellward\/v1\/[^/]*\/_(svc|alert|alert_event)(\/|$)/.test(topic);
}

/** Topic of the acknowledgement to a sensor. */
export function ackTopic(siteId: string, block: string, sensor: string): string {
  return `cellward/v1/${siteId}/${block}/${sensor}/ack`;
}

/** Checks topics against one site; the answer for a good topic is remembered, at most one per sensor and kind. */
export function createTopicParser(site: Site): (topic: string) => SensorAddress | Reject {
  const blockOf = new Map(site.sensors.map((sensor) => [sensor.id, sensor.block]));
  const blocks = new Set(site.blocks.map((block) => block.id));
  const known = new Map<string, SensorAddress>();
  return (topic) => {
    const remembered = known.get(topic);
    if (remembered !== undefined) return remembered;
    const parsed = parse(topic);
    if (!("ok" in parsed)) known.set(topic, parsed);
    return parsed;
  };

  function parse(topic: string): SensorAddress | Reject {
    if (topic.length > MAX_TOPIC_LENGTH) return refuse("topic-malformed", `the topic has ${topic.length} characters`);
    const levels = topic.split("/");
    const [base, version, siteId, block, sensor, kind] = levels;
    if (levels.length !== 6 || base !== "cellward" || version !== "v1") {
      return refuse("topic-malformed", `${quote(topic)} is not cellward/v1/{site}/{block}/{sensor}/{kind}`);
    }
    for (const level of [siteId!, block!, sensor!, kind!]) {
      if (!ID.test(level)) {
        return refuse("topic-malformed", `${quote(level)} in ${quote(topic)} is not an id (1 to 32 of a-z, 0-9, '-')`);
      }
    }
    if (siteId !== site.id)
      return refuse("topic-foreign-site", `site ${quote(siteId!)}; this service runs '${site.id}'`);
    if (!blocks.has(block!)) return refuse("unknown-block", `block ${quote(block!)} is not in the site file`);
    const home = blockOf.get(sensor!);
    if (home === undefined) return refuse("unknown-sensor", `sensor ${quote(sensor!)} is not in the site file`);
    if (home !== block) {
      return refuse("unknown-sensor", `sensor ${quote(sensor!)} is in block '${home}', not in ${quote(block!)}`);
    }
    if (!KINDS.has(kind!)) return refuse("unknown-kind", `kind ${quote(kind!)}; known: ${SENSOR_KINDS.join(", ")}`);
    return { block: block!, sensor: sensor!, kind: kind as SensorAddress["kind"] };
  }
}

const refuse = (code: RejectCode, detail: string): Reject => ({ ok: false, code, detail });

/** A name from outside, made safe to print: bounded, escaped (control and direction characters too). */
export function quote(text: string): string {
  const cut = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return JSON.stringify(cut).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
