/** The dashboards, as classic (version 1) dashboard JSON: the form that file provisioning takes in every Grafana. */
import { bandField } from "../src/store/schema.ts";
import { QUERIES } from "./queries.ts";

export const DATASOURCE = { type: "influxdb", uid: "cellward-influx" } as const;

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

interface Panel {
  readonly title: string;
  readonly description: string;
  readonly type: string;
  readonly w: number;
  readonly h: number;
  readonly queries: readonly {
    readonly query: string;
    readonly format: "time_series" | "table";
    readonly alias?: string;
  }[];
  readonly unit?: string;
  readonly decimals?: number;
  readonly options?: JsonObject;
  readonly defaults?: JsonObject;
  readonly overrides?: readonly JsonObject[];
  readonly transformations?: readonly JsonObject[];
  /** Smallest step of `$__interval`; the writer's own rhythm. */
  readonly interval?: string;
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly refresh: string;
  readonly from: string;
  readonly variables: readonly JsonObject[];
  readonly panels: readonly Panel[];
}

/** Panels from left to right, a new row where one does not fit any more. Grafana's grid is 24 wide. */
function placed(panels: readonly Panel[]): readonly { panel: Panel; x: number; y: number }[] {
  let x = 0;
  let y = 0;
  let rowHeight = 0;
  return panels.map((panel) => {
    if (x + panel.w > 24) {
      x = 0;
      y += rowHeight;
      rowHeight = 0;
    }
    const at = { panel, x, y };
    x += panel.w;
    rowHeight = Math.max(rowHeight, panel.h);
    return at;
  });
}

const REF_IDS = "ABCDEFGH";

function panelJson({ panel, x, y }: { panel: Panel; x: number; y: number }, id: number): JsonObject {
  return {
    id,
    title: panel.title,
    description: panel.description,
    type: panel.type,
    datasource: DATASOURCE,
    gridPos: { h: panel.h, w: panel.w, x, y },
    ...(panel.interval === undefined ? {} : { interval: panel.interval }),
    fieldConfig: {
      defaults: {
        ...(panel.unit === undefined ? {} : { unit: panel.unit }),
        ...(panel.decimals === undefined ? {} : { decimals: panel.decimals }),
        thresholds: { mode: "absolute", steps: [{ color: "text", value: null }] },
        ...panel.defaults,
      },
      overrides: panel.overrides ?? [],
    },
    options: panel.options ?? {},
    ...(panel.transformations === undefined ? {} : { transformations: panel.transformations }),
    targets: panel.queries.map(({ query, format, alias }, i) => ({
      refId: REF_IDS[i]!,
      datasource: DATASOURCE,
      query,
      rawQuery: true,
      resultFormat: format,
      ...(alias === undefined ? {} : { alias }),
    })),
  };
}

function dashboardJson(d: Dashboard): JsonObject {
  return {
    id: null,
    uid: d.uid,
    title: d.title,
    description: d.description,
    tags: ["cellward"],
    schemaVersion: 39,
    version: 1,
    editable: false,
    graphTooltip: 1,
    refresh: d.refresh,
    time: { from: d.from, to: "now" },
    timepicker: { refresh_intervals: ["5s", "10s", "30s", "1m"] },
    timezone: "browser",
    links: [
      { title: "Console", type: "link", url: "$console", targetBlank: true, icon: "external link" },
      {
        title: "Cellward",
        type: "dashboards",
        tags: ["cellward"],
        asDropdown: true,
        keepTime: true,
        includeVars: true,
      },
    ],
    templating: { list: d.variables },
    annotations: {
      list: [
        {
          name: "New alerts",
          enable: true,
          datasource: DATASOURCE,
          iconColor: "red",
          target: {
            refId: "Anno",
            query: QUERIES.annotations,
            queryType: "tags",
            fromAnnotations: true,
            textColumn: "text",
            tagsColumn: "severity",
          },
        },
      ],
    },
    panels: placed(d.panels).map((p, i) => panelJson(p, i + 1)),
  };
}

function queryVariable(name: string, label: string, query: string, multi: boolean): JsonObject {
  return {
    name,
    label,
    type: "query",
    datasource: DATASOURCE,
    query,
    definition: query,
    refresh: 2,
    sort: 1,
    multi,
    includeAll: multi,
    ...(multi ? { allValue: ".*", current: { text: "All", value: "$__all" } } : {}),
  };
}

const SITE_VARIABLE = queryVariable("site", "Site", QUERIES.sites, false);
const SENSOR_VARIABLE = queryVariable("sensor", "Sensor", QUERIES.sensors, true);
/** Where the console is reached from the officers' desks; set once under the dashboard's variables. */
const CONSOLE_VARIABLE: JsonObject = {
  name: "console",
  label: "Console",
  type: "textbox",
  query: "http://127.0.0.1:8080/",
  current: { text: "http://127.0.0.1:8080/", value: "http://127.0.0.1:8080/" },
  hide: 2,
};

/** Band ids of the built-in plans. A site's own bands can be typed in: the variable takes any text. */
const BANDS = [
  "lte700-ul",
  "lte800-ul",
  "gsm900-ul",
  "lte1800-ul",
  "umts2100-ul",
  "lte2600-ul",
  "nr3500-tdd",
  "bt-wifi-2400",
  "lte600-ul",
  "lte700a-ul",
  "lte700c-ul",
  "cell850-ul",
  "aws1700-ul",
  "pcs1900-ul",
  "nr3700-tdd",
];
/** `lte800-ul` as the first part of its field keys. */
const stem = (band: string) => bandField(band, "mean").replace(/_mean$/, "");
const BAND_VARIABLE: JsonObject = {
  name: "band",
  label: "Band",
  type: "custom",
  query: BANDS.map((b) => `${b} : ${stem(b)}`).join(","),
  current: { text: "lte800-ul", value: stem("lte800-ul") },
  options: BANDS.map((b) => ({ text: b, value: stem(b), selected: b === "lte800-ul" })),
  multi: false,
  includeAll: false,
};

const mapping = (pairs: Readonly<Record<string, readonly [text: string, color: string]>>): readonly Json[] => [
  {
    type: "value",
    options: Object.fromEntries(
      Object.entries(pairs).map(([value, [text, color]], index) => [value, { text, color, index }]),
    ),
  },
];
/** Levels of the writer: 0 nothing, 1 low to 4 critical. Grey until something is wrong. */
const LEVELS = mapping({
  0: ["quiet", "#4a5158"],
  1: ["low", "super-light-blue"],
  2: ["medium", "orange"],
  3: ["high", "red"],
  4: ["critical", "dark-red"],
});
const ONLINE = mapping({ 0: ["offline", "orange"], 1: ["online", "#4a5158"] });
const YES_NO = (yes: string) => mapping({ 0: ["no", "#4a5158"], 1: ["yes", yes] });

const STAT: JsonObject = {
  colorMode: "background",
  graphMode: "none",
  justifyMode: "center",
  textMode: "value",
  reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
};
const TIMELINE: JsonObject = {
  mergeValues: true,
  showValue: "never",
  alignValue: "left",
  rowHeight: 0.85,
  legend: { showLegend: true, displayMode: "list", placement: "bottom" },
  tooltip: { mode: "single", sort: "none" },
};
const LINES: JsonObject = {
  legend: { showLegend: true, displayMode: "list", placement: "bottom", calcs: [] },
  tooltip: { mode: "multi", sort: "desc" },
};
const GREY = { color: "#4a5158", value: null };
const column = (name: string, ...properties: readonly JsonObject[]): JsonObject => ({
  matcher: { id: "byName", options: name },
  properties,
});
const coloured = (mappings: readonly Json[]): readonly JsonObject[] => [
  { id: "mappings", value: mappings },
  { id: "custom.cellOptions", value: { type: "color-background" } },
];

const controlRoom: Dashboard = {
  uid: "cellward-control-room",
  title: "Control room",
  description: "What is open now, where, and whether the sensors and the service watch. Acknowledge in the console.",
  refresh: "5s",
  from: "now-6h",
  variables: [SITE_VARIABLE, CONSOLE_VARIABLE],
  panels: [
    {
      title: "Open alerts",
      description: "Alerts that nobody has closed, shelved ones included.",
      type: "stat",
      w: 5,
      h: 4,
      unit: "short",
      decimals: 0,
      queries: [{ query: QUERIES.openAlerts, format: "time_series" }],
      options: STAT,
      defaults: { noValue: "0", thresholds: { mode: "absolute", steps: [GREY, { color: "red", value: 1 }] } },
    },
    {
      title: "Highest severity",
      description: "Of the alerts that are neither shelved nor suppressed.",
      type: "stat",
      w: 5,
      h: 4,
      queries: [{ query: QUERIES.highestLevel, format: "time_series" }],
      options: STAT,
      defaults: { noValue: "quiet", mappings: LEVELS, thresholds: { mode: "absolute", steps: [GREY] } },
    },
    {
      title: "Sensors online",
      description: "Sensors that were heard in the last minute.",
      type: "stat",
      w: 5,
      h: 4,
      unit: "short",
      decimals: 0,
      queries: [{ query: QUERIES.sensorsOnline, format: "time_series" }],
      options: STAT,
      defaults: { noValue: "none", thresholds: { mode: "absolute", steps: [GREY] } },
    },
    {
      title: "Sensors offline",
      description: "Places nobody watches now.",
      type: "stat",
      w: 5,
      h: 4,
      unit: "short",
      decimals: 0,
      queries: [{ query: QUERIES.sensorsOffline, format: "time_series" }],
      options: STAT,
      defaults: { noValue: "?", thresholds: { mode: "absolute", steps: [GREY, { color: "orange", value: 1 }] } },
    },
    {
      title: "Service",
      description: "The service writes a sign of life every ten seconds; without one for thirty it counts as silent.",
      type: "stat",
      w: 4,
      h: 4,
      queries: [{ query: QUERIES.alive, format: "time_series" }],
      options: STAT,
      defaults: {
        noValue: "SILENT",
        mappings: mapping({ 1: ["alive", "#4a5158"] }),
        thresholds: { mode: "absolute", steps: [{ color: "red", value: null }] },
      },
    },
    {
      title: "Active alerts",
      description: "One row each place and kind. Evidence is the accumulated log-likelihood ratio in nats.",
      type: "table",
      w: 14,
      h: 9,
      queries: [{ query: QUERIES.activeTable, format: "table" }],
      options: { showHeader: true, cellHeight: "md", sortBy: [{ displayName: "Severity", desc: true }] },
      defaults: { noValue: "Nothing open" },
      overrides: [
        column("level", { id: "displayName", value: "Severity" }, ...coloured(LEVELS)),
        column("zone", { id: "displayName", value: "Place" }),
        column("block", { id: "displayName", value: "Block" }),
        column("kind", { id: "displayName", value: "Kind" }),
        column("open", { id: "displayName", value: "Alerts" }),
        column("acked", { id: "displayName", value: "Acknowledged" }, ...coloured(YES_NO("#4a5158"))),
        column("score", { id: "displayName", value: "Evidence" }, { id: "decimals", value: 0 }),
        column(
          "alert",
          { id: "displayName", value: "Alert" },
          { id: "links", value: [{ title: "Open the console", url: "$console", targetBlank: true }] },
        ),
      ],
      transformations: [{ id: "organize", options: { excludeByName: { Time: true } } }],
    },
    {
      title: "Grafana alerts",
      description: "The alert rules of this folder that fire now.",
      type: "alertlist",
      w: 10,
      h: 9,
      queries: [],
      options: {
        viewMode: "list",
        groupMode: "default",
        groupBy: [],
        maxItems: 20,
        sortOrder: 3,
        dashboardAlerts: false,
        alertName: "",
        alertInstanceLabelFilter: "",
        showInstances: true,
        stateFilter: { firing: true, pending: true, recovering: true, noData: true, normal: false, error: true },
      },
    },
    {
      title: "Cells over time",
      description: "Severity by place; only places that had an alert appear. A gap means that nobody wrote.",
      type: "state-timeline",
      w: 24,
      h: 9,
      interval: "10s",
      queries: [{ query: QUERIES.cellsOverTime, format: "time_series", alias: "$tag_zone" }],
      options: TIMELINE,
      defaults: { mappings: LEVELS, custom: { fillOpacity: 90, lineWidth: 0, spanNulls: 30_000 } },
    },
    {
      title: "Sensors over time",
      description: "Grey while a sensor is heard, orange while it is not.",
      type: "status-history",
      w: 12,
      h: 10,
      interval: "1m",
      queries: [{ query: QUERIES.sensorsOverTime, format: "time_series", alias: "$tag_sensor" }],
      options: { ...TIMELINE, colWidth: 1 },
      defaults: { mappings: ONLINE, custom: { fillOpacity: 90, lineWidth: 0 } },
    },
    {
      title: "Events",
      description: "Every change of every alert, newest first.",
      type: "table",
      w: 12,
      h: 10,
      queries: [{ query: QUERIES.events, format: "table" }],
      options: { showHeader: true, cellHeight: "sm" },
      overrides: [
        column("acked", { id: "custom.width", value: 80 }),
        column("type", { id: "custom.width", value: 80 }),
        column("severity", { id: "custom.width", value: 90 }),
      ],
    },
    {
      title: "New alerts an hour",
      description: "By kind. More than about six an hour is more than one person can work through.",
      type: "timeseries",
      w: 24,
      h: 6,
      unit: "short",
      decimals: 0,
      queries: [{ query: QUERIES.alertsPerHour, format: "time_series", alias: "$tag_kind" }],
      options: LINES,
      defaults: { custom: { drawStyle: "bars", fillOpacity: 60, stacking: { mode: "normal", group: "A" } } },
    },
  ],
};

const sensors: Dashboard = {
  uid: "cellward-sensors",
  title: "Sensors",
  description: "Health of the sensors and what they hear, by band.",
  refresh: "10s",
  from: "now-1h",
  variables: [SITE_VARIABLE, SENSOR_VARIABLE, BAND_VARIABLE, CONSOLE_VARIABLE],
  panels: [
    {
      title: "Sensors now",
      description: "The last word of each sensor.",
      type: "table",
      w: 24,
      h: 9,
      queries: [{ query: QUERIES.sensorTable, format: "table" }],
      options: { showHeader: true, cellHeight: "sm" },
      overrides: [
        column("online", ...coloured(ONLINE)),
        column("tamper", ...coloured(YES_NO("red"))),
        column("last_seen_s", { id: "displayName", value: "last seen" }, { id: "unit", value: "s" }),
        column("temp_c", { id: "displayName", value: "temperature" }, { id: "unit", value: "celsius" }),
        column("clock_off_ms", { id: "displayName", value: "clock offset" }, { id: "unit", value: "ms" }),
      ],
      transformations: [{ id: "organize", options: { excludeByName: { Time: true } } }],
    },
    {
      title: "Level of $band",
      description: "Loudest and mean power of each second, and the tracked noise floor.",
      type: "timeseries",
      w: 24,
      h: 9,
      unit: "dBm",
      interval: "1s",
      queries: [{ query: QUERIES.bandLevel, format: "time_series", alias: "$tag_sensor $col" }],
      options: LINES,
      defaults: { custom: { lineWidth: 1, fillOpacity: 0, spanNulls: false } },
    },
    {
      title: "Evidence of $band",
      description: "Accumulated log-likelihood ratio of 'something transmits' against 'quiet', in nats.",
      type: "timeseries",
      w: 24,
      h: 8,
      unit: "short",
      interval: "1s",
      queries: [{ query: QUERIES.bandEvidence, format: "time_series", alias: "$tag_sensor" }],
      options: LINES,
      defaults: { custom: { lineWidth: 1, fillOpacity: 0, spanNulls: false } },
    },
    {
      title: "Readings a second",
      description: "Instants that were taken, by sensor.",
      type: "timeseries",
      w: 8,
      h: 7,
      unit: "short",
      queries: [{ query: QUERIES.readingRate, format: "time_series", alias: "$tag_sensor" }],
      options: LINES,
      defaults: { custom: { lineWidth: 1 } },
    },
    {
      title: "Clock offset",
      description: "A sensor whose clock runs away is heard at the wrong time.",
      type: "timeseries",
      w: 8,
      h: 7,
      unit: "ms",
      interval: "10s",
      queries: [{ query: QUERIES.clockOffset, format: "time_series", alias: "$tag_sensor" }],
      options: LINES,
      defaults: { custom: { lineWidth: 1 } },
    },
    {
      title: "Temperature",
      description: "A receiver's gain drifts with its temperature.",
      type: "timeseries",
      w: 8,
      h: 7,
      unit: "celsius",
      interval: "10s",
      queries: [{ query: QUERIES.temperature, format: "time_series", alias: "$tag_sensor" }],
      options: LINES,
      defaults: { custom: { lineWidth: 1 } },
    },
  ],
};

const service: Dashboard = {
  uid: "cellward-service",
  title: "Service",
  description: "Whether the service keeps up with its sensors and its database.",
  refresh: "10s",
  from: "now-1h",
  variables: [SITE_VARIABLE, CONSOLE_VARIABLE],
  panels: [
    {
      title: "Readings stored a second",
      description: "What the database acknowledged.",
      type: "timeseries",
      w: 12,
      h: 8,
      unit: "short",
      queries: [{ query: QUERIES.storedRate, format: "time_series", alias: "$tag_instance" }],
      options: LINES,
      defaults: { custom: { lineWidth: 1 } },
    },
    {
      title: "Readings waiting for the database",
      description: "Rises while the database is away; the journal keeps them.",
      type: "timeseries",
      w: 12,
      h: 8,
      unit: "short",
      interval: "10s",
      queries: [{ query: QUERIES.pending, format: "time_series", alias: "$tag_instance" }],
      options: LINES,
      defaults: { custom: { lineWidth: 1 } },
    },
    {
      title: "Lines refused by the database",
      description: "Since the service's start. Anything but zero wants a look into the log.",
      type: "timeseries",
      w: 12,
      h: 8,
      unit: "short",
      interval: "10s",
      queries: [{ query: QUERIES.refused, format: "time_series", alias: "$tag_instance" }],
      options: LINES,
      defaults: { custom: { lineWidth: 1 } },
    },
    {
      title: "Late readings",
      description: "Readings that came after their second was judged: stored, but not part of any alert.",
      type: "timeseries",
      w: 12,
      h: 8,
      unit: "short",
      interval: "10s",
      queries: [{ query: QUERIES.lateRate, format: "time_series", alias: "late" }],
      options: LINES,
      defaults: { custom: { drawStyle: "bars", fillOpacity: 60 } },
    },
  ],
};

/** File name under `dashboards/` → dashboard. */
export const DASHBOARDS: Readonly<Record<string, JsonObject>> = {
  "control-room.json": dashboardJson(controlRoom),
  "sensors.json": dashboardJson(sensors),
  "service.json": dashboardJson(service),
};
