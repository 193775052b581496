/**
 * The calibration file: JSON beside the site file, written by `cellward calibrate`, read by `locate`, `replay` and `run`.
 * Field names carry their units as in the site file; a level is `[dBm, bursts heard]`, with its spread in
 * dB as a third where bursts drowned.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { AppError, unreadable, unwritable } from "./errors.ts";
import type { BandCalibration, Calibration, Site } from "./model.ts";

const db = z.number().min(-300).max(300);
const spreadDb = z.number().min(0).max(100);
/**
 * What stands for bursts that drowned is no level that anybody measured: with its wide spread it may lie far below all of them
 * (`censored.ts`), up to spread^2 of 1e4 dB^2 over a forecast's some tenths of a decibel.
 */
const drownedDbm = z.number().min(-1e6).max(1e6);
const id = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);
/** More than any house has labelled; bounds memory. */
const MOST_POINTS = 5000;

const bandSchema = z.strictObject({
  band: id,
  power_dbm: db,
  point_power_sd_db: spreadDb,
  burst_power_sd_db: spreadDb,
  exponent: z.number().min(0).max(10),
  wall_factor: z.number().min(-5).max(10),
  slab_factor: z.number().min(-5).max(10),
  shadow_sd_db: spreadDb,
  shadow_length_m: z.number().positive().max(1000),
  nugget_sd_db: spreadDb,
  offset_sd_db: spreadDb,
  roughness: z.enum(["exponential", "matern32"]).default("exponential"),
  sensor_length_m: z.number().min(0).max(1000),
  fading_sd_db: spreadDb.positive(),
  persistence_ms: z.number().min(0).max(600_000),
  memory_ms: z.number().positive().max(600_000).optional(),
  widening: z.number().positive().max(100),
  sensors: z.array(
    z.strictObject({
      sensor: id,
      hearing: z.number().min(0).max(1),
      floor_dbm: db.nullable(),
      floor_spread_db: spreadDb,
    }),
  ),
  points: z
    .array(
      z.strictObject({
        x_m: z.number(),
        y_m: z.number(),
        z_m: z.number(),
        floor: id,
        bursts: z.number().int().positive(),
        levels: z.record(
          id,
          z.union([
            z.tuple([db, z.number().int().nonnegative()]),
            z.tuple([drownedDbm, z.number().int().nonnegative(), spreadDb]),
          ]),
        ),
      }),
    )
    .max(MOST_POINTS),
});

/** The file's shape. `left_out` is the report of what left-out points say; readers need not know it. */
export const calibrationSchema = z.strictObject({
  cellward_calibration: z.literal(1),
  site: id,
  left_out: z.unknown().optional(),
  bands: z.array(bandSchema).min(1),
});

/** Nobody is looked for further from the house than that, and what is labelled there says nothing of it. */
const REACH_M = 60;
/** Above or below a storey's floor. */
const REACH_UP_M = 20;

/**
 * How far a point is from where it can be, m: from the box around all zones and sensors beyond `REACH_M`, or from its storey's
 * floor beyond `REACH_UP_M`; 0 where it is all right. A point in other coordinates than the plan's would stretch the map to it.
 */
export function outOfReach(
  site: Site,
  p: { readonly xM: number; readonly yM: number; readonly zM: number; readonly floor: string },
): number {
  const at = [
    ...site.zones.flatMap((z) => z.polygon),
    ...site.sensors.flatMap(({ positionM }) => (positionM === null ? [] : [[positionM[0], positionM[1]] as const])),
  ];
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of at) [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
  const aside = Math.hypot(Math.max(x0 - p.xM, 0, p.xM - x1), Math.max(y0 - p.yM, 0, p.yM - y1));
  if (at.length > 0 && !(aside <= REACH_M)) return aside;
  const floor = site.floors.find((f) => f.id === p.floor);
  const up = floor === undefined ? 0 : Math.abs(p.zM - floor.zM);
  return up <= REACH_UP_M ? 0 : up;
}

type BandFile = z.infer<typeof bandSchema>;

function bandFromFile(b: BandFile): BandCalibration {
  return {
    band: b.band,
    powerDbm: b.power_dbm,
    pointPowerSdDb: b.point_power_sd_db,
    burstPowerSdDb: b.burst_power_sd_db,
    exponent: b.exponent,
    wallFactor: b.wall_factor,
    slabFactor: b.slab_factor,
    shadowSdDb: b.shadow_sd_db,
    shadowLengthM: b.shadow_length_m,
    nuggetSdDb: b.nugget_sd_db,
    offsetSdDb: b.offset_sd_db,
    roughness: b.roughness,
    sensorLengthM: b.sensor_length_m,
    fadingSdDb: b.fading_sd_db,
    persistenceMs: b.persistence_ms,
    ...(b.memory_ms === undefined ? {} : { memoryMs: b.memory_ms }),
    widening: b.widening,
    sensors: b.sensors.map((s) => ({
      sensor: s.sensor,
      hearing: s.hearing,
      floorDbm: s.floor_dbm,
      floorSpreadDb: s.floor_spread_db,
    })),
    points: b.points.map((p) => ({
      xM: p.x_m,
      yM: p.y_m,
      zM: p.z_m,
      floor: p.floor,
      bursts: p.bursts,
      levels: Object.entries(p.levels).map(([sensor, [levelDbm, heard, sdDb]]) => ({
        sensor,
        levelDbm,
        heard,
        ...(sdDb === undefined ? {} : { sdDb }),
      })),
    })),
  };
}

function bandToFile(b: BandCalibration): BandFile {
  const digits = (x: number): number => Number(x.toPrecision(6));
  return {
    band: b.band,
    power_dbm: digits(b.powerDbm),
    point_power_sd_db: digits(b.pointPowerSdDb),
    burst_power_sd_db: digits(b.burstPowerSdDb),
    exponent: digits(b.exponent),
    wall_factor: digits(b.wallFactor),
    slab_factor: digits(b.slabFactor),
    shadow_sd_db: digits(b.shadowSdDb),
    shadow_length_m: digits(b.shadowLengthM),
    nugget_sd_db: digits(b.nuggetSdDb),
    offset_sd_db: digits(b.offsetSdDb),
    roughness: b.roughness ?? "exponential",
    sensor_length_m: digits(b.sensorLengthM),
    fading_sd_db: digits(b.fadingSdDb),
    persistence_ms: digits(b.persistenceMs),
    ...(b.memoryMs === undefined ? {} : { memory_ms: digits(b.memoryMs) }),
    widening: digits(b.widening),
    sensors: b.sensors.map((s) => ({
      sensor: s.sensor,
      hearing: digits(s.hearing),
      floor_dbm: s.floorDbm === null ? null : digits(s.floorDbm),
      floor_spread_db: digits(s.floorSpreadDb),
    })),
    points: b.points.map((p) => ({
      x_m: p.xM,
      y_m: p.yM,
      z_m: p.zM,
      floor: p.floor,
      bursts: p.bursts,
      levels: Object.fromEntries(
        p.levels.map((l) => [l.sensor, l.sdDb === undefined ? [l.levelDbm, l.heard] : [l.levelDbm, l.heard, l.sdDb]]),
      ),
    })),
  };
}

/** The file's text: one band and one point a line, so that two calibrations can be compared. */
export function calibrationText(calibration: Calibration, leftOut?: unknown): string {
  const bands = calibration.bands.map(bandToFile).map((band) => {
    const { points, sensors, ...rest } = band;
    const list = (items: readonly unknown[]): string => items.map((p) => `\n   ${JSON.stringify(p)}`).join(",");
    return `  ${JSON.stringify(rest).slice(0, -1)},\n  "sensors":[${list(sensors)}],\n  "points":[${list(points)}]}`;
  });
  const head = {
    cellward_calibration: 1,
    site: calibration.site,
    ...(leftOut === undefined ? {} : { left_out: leftOut }),
  };
  return `${JSON.stringify(head).slice(0, -1)},\n "bands":[\n${bands.join(",\n")}]}\n`;
}

/** Reads a calibration from text. Errors: CALIBRATION_INVALID with every problem and its place. */
export function parseCalibration(text: string, name: string): Calibration {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AppError("CALIBRATION_INVALID", `${name} is not JSON`, { cause });
  }
  const checked = calibrationSchema.safeParse(value);
  if (!checked.success) {
    const details = checked.error.issues.slice(0, 20).map((i) => `${i.path.join(".")}: ${i.message}`);
    throw new AppError("CALIBRATION_INVALID", `${name} is no calibration file`, { details });
  }
  return { site: checked.data.site, bands: checked.data.bands.map(bandFromFile) };
}

/** Reads a calibration file and holds it against its site. Errors: FILE_UNREADABLE, CALIBRATION_INVALID. */
export function loadCalibration(path: string, site: Site): Calibration {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw unreadable(`the calibration ${path}`, cause);
  }
  const calibration = parseCalibration(text, path);
  if (calibration.site !== site.id) {
    throw new AppError("CALIBRATION_INVALID", `${path} is for site '${calibration.site}', not for '${site.id}'`);
  }
  const floors = new Set(site.floors.map((f) => f.id));
  const lost = calibration.bands.flatMap((b) => b.points).find((p) => !floors.has(p.floor));
  if (lost)
    throw new AppError("CALIBRATION_INVALID", `${path} has points on floor '${lost.floor}', which the site lacks`);
  const far = calibration.bands.flatMap((b) => b.points).find((p) => outOfReach(site, p) > 0);
  if (far) {
    throw new AppError("CALIBRATION_INVALID", `${path} has a point at ${pointText(far)}, far outside the site`);
  }
  return calibration;
}

/** `x, y, z m` of a point. */
export function pointText(p: { readonly xM: number; readonly yM: number; readonly zM: number }): string {
  return `${[p.xM, p.yM, p.zM].map((v) => Number(v.toPrecision(6))).join(", ")} m`;
}

/** Writes a calibration file. Errors: FILE_UNWRITABLE. */
export function saveCalibration(path: string, calibration: Calibration, leftOut?: unknown): void {
  try {
    writeFileSync(path, calibrationText(calibration, leftOut));
  } catch (cause) {
    throw unwritable(`the calibration ${path}`, cause);
  }
}
