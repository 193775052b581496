/**
 * Who may carry a phone where, and when: visits and works by the site file's calendar, staff by a presence feed. It changes how
 * likely each place is and how much of a place is lawful; what was heard stays what it was.
 */
import type { Candidate, Fix, Presence, Schedule, SensorId, Site, ZoneId } from "../model.ts";
import type { Layout } from "./layout.ts";

/** A feed's word holds so long where it does not say itself. */
const TTL_MS = 60_000;
/** Words of a feed that are kept: windows are judged after they came, by the word of their own time. */
const MOST_WORDS = 600;
const DAY_NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MINUTE_MS = 60_000;

export class Lawful {
  readonly #schedules: readonly Schedule[];
  readonly #layout: Layout;
  readonly #prevalence: number;
  readonly #local: Intl.DateTimeFormat;
  readonly #allowed: ReadonlySet<ZoneId>;
  readonly #words = new Map<SensorId, Presence[]>();
  #minute = { at: Number.NaN, phones: new Map<ZoneId, number>() };

  constructor(site: Site, layout: Layout, prevalence: number) {
    this.#schedules = site.schedules ?? [];
    this.#layout = layout;
    this.#prevalence = prevalence;
    this.#allowed = new Set(site.zones.filter((z) => z.phones === "allowed").map((z) => z.id));
    const parts = { weekday: "short", year: "numeric", month: "2-digit", day: "2-digit" } as const;
    const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
    this.#local = new Intl.DateTimeFormat("en-GB", { timeZone: site.timezone, ...parts, ...clock });
  }

  /** Where a feed says that people with phones are; it replaces what the feed said before. */
  presence(word: Presence): void {
    const words = this.#words.get(word.sensor) ?? [];
    let at = words.length;
    while (at > 0 && words[at - 1]!.tsMs > word.tsMs) at--;
    words.splice(at, 0, word);
    if (words.length > MOST_WORDS) words.shift();
    this.#words.set(word.sensor, words);
  }

  /** Phones that are lawfully in each zone at a time; zones without any are left out. */
  phones(tMs: number): ReadonlyMap<ZoneId, number> {
    const scheduled = this.#scheduled(tMs);
    if (this.#words.size === 0) return scheduled;
    const phones = new Map(scheduled);
    for (const words of this.#words.values()) {
      const word = words.findLast((w) => w.tsMs <= tMs);
      if (word === undefined || tMs >= word.tsMs + (word.ttlMs ?? TTL_MS)) continue;
      for (const { zone, phones: n } of word.zones) phones.set(zone, (phones.get(zone) ?? 0) + n);
    }
    return phones;
  }

  /**
   * The fix with what is known of lawful phones. A place where n of them are is (n + e) / e times as likely, e being the phones
   * expected there anyhow: the prevalence for a cell, for other places in proportion to the localiser's prior; n / (n + e) of it
   * is then lawful. The same fix where nobody is known to be anywhere.
   */
  weigh(fix: Fix, tMs: number): Fix {
    const phones = this.phones(tMs);
    if (phones.size === 0) return fix;
    const perCell = this.#layout.cellsMass / Math.max(1, this.#layout.cells.length);
    let total = 1;
    let pAllowed = fix.pAllowed;
    const weighed: Candidate[] = fix.candidates.map(({ cell, p }) => {
      const n = phones.get(cell) ?? 0;
      const place = this.#layout.places.get(cell);
      if (n <= 0 || place === undefined) return { cell, p };
      const expected = (this.#prevalence * place.mass) / perCell;
      const more = (p * n) / expected;
      total += more;
      pAllowed += more;
      return this.#allowed.has(cell) ? { cell, p: p + more } : { cell, p: p + more, lawful: n / (n + expected) };
    });
    if (total === 1) return fix;
    const candidates = weighed.map((c) => ({ ...c, p: c.p / total }));
    candidates.sort((a, b) => b.p - a.p || (a.cell < b.cell ? -1 : 1));
    return { ...fix, candidates, pOutside: fix.pOutside / total, pAllowed: pAllowed / total };
  }

  #scheduled(tMs: number): Map<ZoneId, number> {
    const at = Math.floor(tMs / MINUTE_MS);
    if (this.#minute.at === at) return this.#minute.phones;
    const phones = new Map<ZoneId, number>();
    if (this.#schedules.length > 0) {
      const now = this.#localTime(tMs);
      const yesterday = this.#localTime(tMs - 24 * 60 * MINUTE_MS);
      for (const s of this.#schedules) {
        if (!runs(s, now, yesterday)) continue;
        for (const zone of s.zones) phones.set(zone, (phones.get(zone) ?? 0) + s.phones);
      }
    }
    this.#minute = { at, phones };
    return phones;
  }

  #localTime(tMs: number): LocalTime {
    const part = new Map(this.#local.formatToParts(tMs).map((p) => [p.type, p.value]));
    return {
      day: DAY_NAMES.indexOf(part.get("weekday")!.toLowerCase()),
      date: `${part.get("year")}-${part.get("month")}-${part.get("day")}`,
      minute: 60 * Number(part.get("hour")) + Number(part.get("minute")),
    };
  }

  snapshot(): unknown {
    return [...this.#words];
  }

  restore(snapshot: unknown): void {
    for (const [sensor, words] of snapshot as [SensorId, Presence[]][]) this.#words.set(sensor, [...words]);
  }
}

interface LocalTime {
  readonly day: number;
  readonly date: string;
  readonly minute: number;
}

/** Whether a schedule runs now; one that ends before it begins goes on past midnight and belongs to the day it began. */
function runs(s: Schedule, now: LocalTime, yesterday: LocalTime): boolean {
  const on = ({ day, date }: LocalTime) =>
    (s.days === null || s.days.includes(day)) && (s.dates === null || (date >= s.dates[0] && date <= s.dates[1]));
  if (s.fromMinute < s.toMinute) return on(now) && now.minute >= s.fromMinute && now.minute < s.toMinute;
  return (on(now) && now.minute >= s.fromMinute) || (on(yesterday) && now.minute < s.toMinute);
}
