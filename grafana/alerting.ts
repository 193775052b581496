/**
 * Alert rules, contact point and policy as one file of Grafana's alerting provisioning. The service alone decides what is an
 * alert; these rules mirror its decisions, and watch the one thing it can't report itself: its own silence.
 */
import { DATASOURCE } from "./dashboards.ts";
import { RULE_QUERIES } from "./queries.ts";

/** Grafana evaluates on a tick of ten seconds; other intervals are refused. */
const INTERVAL = "10s";
const LOOK_BACK_S = 60;
const RECEIVER = "control-room";

interface Rule {
  readonly uid: string;
  readonly title: string;
  readonly query: string;
  readonly evaluator: { readonly type: "gt" | "lt" | "within_range"; readonly params: readonly number[] };
  readonly noDataState: "OK" | "Alerting";
  readonly execErrState: "KeepLast" | "Alerting";
  readonly severity: "critical" | "warning";
  readonly summary: string;
}

/** Tags of the series become labels of the alert, so that no label needs a template. */
const RULES: readonly Rule[] = [
  {
    uid: "cellward-critical",
    title: "Phone or tampering: act now",
    query: RULE_QUERIES.level,
    evaluator: { type: "gt", params: [2.5] },
    noDataState: "OK",
    execErrState: "KeepLast",
    severity: "critical",
    summary: "{{ $labels.kind }} in {{ $labels.zone }}, block {{ $labels.block }}",
  },
  {
    uid: "cellward-warning",
    title: "Alert of low or medium severity",
    query: RULE_QUERIES.level,
    evaluator: { type: "within_range", params: [0.5, 2.5] },
    noDataState: "OK",
    execErrState: "KeepLast",
    severity: "warning",
    summary: "{{ $labels.kind }} in {{ $labels.zone }}, block {{ $labels.block }}",
  },
  {
    uid: "cellward-sensor-offline",
    title: "Sensor offline",
    query: RULE_QUERIES.online,
    evaluator: { type: "lt", params: [0.5] },
    noDataState: "OK",
    execErrState: "KeepLast",
    severity: "warning",
    summary: "Sensor {{ $labels.sensor }} in block {{ $labels.block }} is not heard",
  },
  {
    uid: "cellward-sensor-tamper",
    title: "Sensor tampered with",
    query: RULE_QUERIES.tamper,
    evaluator: { type: "gt", params: [0.5] },
    noDataState: "OK",
    execErrState: "KeepLast",
    severity: "critical",
    summary: "Sensor {{ $labels.sensor }} in block {{ $labels.block }} reports tampering",
  },
  {
    uid: "cellward-silent",
    title: "Backend silent",
    query: RULE_QUERIES.alive,
    evaluator: { type: "lt", params: [0.5] },
    noDataState: "Alerting",
    execErrState: "Alerting",
    severity: "critical",
    summary: "The service has not written a sign of life for a minute: the house is unwatched",
  },
];

const EXPRESSION = { type: "__expr__", uid: "__expr__" };

function ruleFile(rule: Rule) {
  const range = { from: LOOK_BACK_S, to: 0 };
  return {
    uid: rule.uid,
    title: rule.title,
    condition: "C",
    for: "0s",
    noDataState: rule.noDataState,
    execErrState: rule.execErrState,
    dashboardUid: "cellward-control-room",
    panelId: 6,
    labels: { severity: rule.severity, source: "cellward" },
    annotations: { summary: rule.summary },
    data: [
      {
        refId: "A",
        relativeTimeRange: range,
        datasourceUid: DATASOURCE.uid,
        model: {
          refId: "A",
          datasource: DATASOURCE,
          query: rule.query,
          rawQuery: true,
          resultFormat: "time_series",
          intervalMs: 1000,
          maxDataPoints: 1000,
        },
      },
      {
        refId: "B",
        relativeTimeRange: range,
        datasourceUid: EXPRESSION.uid,
        model: {
          refId: "B",
          datasource: EXPRESSION,
          type: "reduce",
          expression: "A",
          reducer: "last",
          settings: { mode: "dropNN" },
        },
      },
      {
        refId: "C",
        relativeTimeRange: range,
        datasourceUid: EXPRESSION.uid,
        model: {
          refId: "C",
          datasource: EXPRESSION,
          type: "threshold",
          expression: "B",
          conditions: [{ evaluator: rule.evaluator }],
        },
      },
    ],
  };
}

export const ALERTING = {
  apiVersion: 1,
  groups: [{ orgId: 1, name: "cellward", folder: "Cellward", interval: INTERVAL, rules: RULES.map(ruleFile) }],
  contactPoints: [
    {
      orgId: 1,
      name: RECEIVER,
      // Nothing is sent until Grafana has a mail server (GF_SMTP_...); put the control room's own address here.
      receivers: [
        {
          uid: "cellward-control-room",
          type: "email",
          settings: { addresses: "control-room@example.org", singleEmail: false },
          disableResolveMessage: false,
        },
      ],
    },
  ],
  policies: [
    {
      orgId: 1,
      receiver: RECEIVER,
      group_by: ["alertname", "site", "block", "zone", "kind"],
      group_wait: "0s",
      group_interval: "10s",
      repeat_interval: "4h",
    },
  ],
};
