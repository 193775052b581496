/** What the API sends, as far as this page reads it. Alerts come as they are in the words of the project. */
import type { Alert, AlertChange, Severity } from "../model.ts";

export type { Alert, AlertChange, Severity };

export interface SiteWire {
  readonly id: string;
  readonly name: string;
  readonly timezone: string;
  readonly blocks: readonly { readonly id: string; readonly name: string }[];
  readonly floors: readonly { readonly id: string; readonly level: number }[];
  readonly walls: readonly WallWire[];
  readonly sensors: readonly SensorSiteWire[];
}
export interface WallWire {
  readonly floor: string;
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly door: { readonly at: number; readonly width_m: number } | null;
}
export interface SensorSiteWire {
  readonly id: string;
  readonly block: string;
  readonly floor: string;
  readonly type: "rf" | "scanner" | "presence";
  readonly position_m: readonly [number, number, number] | null;
  readonly place: string | null;
}
export interface CellBeliefWire {
  readonly cell: string;
  readonly p_kept: number;
  readonly p_used: number;
  readonly reasons: readonly {
    readonly t: number;
    readonly kind: string;
    readonly ref: string;
    readonly odds_ratio: number;
    readonly text: string;
  }[];
}
export interface ZoneWire {
  readonly id: string;
  readonly block: string | null;
  readonly floor: string | null;
  readonly kind: string;
  readonly phones: "allowed" | "forbidden";
  readonly polygon: readonly (readonly [number, number])[];
}
export type SensorStateName = "ok" | "warming" | "fault" | "tamper" | "offline" | "unseen";
export interface ChannelWire {
  readonly band: string;
  readonly status: string;
  /** End of the last window judged. */
  readonly t: number | null;
  readonly floor_dbm: number | null;
  readonly excess_db: number | null;
  readonly hot: boolean;
}
export interface SensorWire {
  readonly id: string;
  readonly state: SensorStateName;
  readonly last_seen_at: number | null;
  readonly model: string | null;
  readonly fw: string | null;
  readonly temp_c: number | null;
  readonly channels: readonly ChannelWire[];
}
export interface LearningWire {
  readonly block: string;
  readonly until: number | null;
  readonly alerts: number;
}
export interface StatusWire {
  readonly t: number;
  readonly data_age_ms: number | null;
  readonly ready: boolean;
  readonly checks: readonly { readonly name: string; readonly ready: boolean; readonly detail: string }[];
  /** Blocks in learning mode: their alerts of phones are counted, not told. */
  readonly learning: readonly LearningWire[];
}
export interface PointWire {
  readonly t: number;
  readonly mean_dbm: number | null;
  readonly max_dbm: number | null;
  readonly floor_dbm: number | null;
  readonly llr: number | null;
}
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
