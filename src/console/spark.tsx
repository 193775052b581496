/** History of one channel as a small chart, with the same in words for those who can't see it. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { get } from "./api.ts";
import { nowMs, site, theme } from "./state.ts";
import type { PointWire } from "./wire.ts";
import { bandWords } from "./words.ts";

const SPAN_MS = 300_000;
const REFRESH_MS = 5000;
/** What was last heard longer ago than this is shown as it was then: the last five minutes would be empty of it. */
const PAST_MS = 240_000;
/** How much of what came after it is shown with it. */
const AFTER_MS = 60_000;
/** Steps of the time axis, s: its labels are minutes, and a shorter step would say the same minute twice. */
const TIME_STEPS_S = [60, 120, 300];

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** `heardAt`: when it was heard that the chart is about, epoch ms; left out: now. */
export function Spark({ sensor, band, heardAt }: { sensor: string; band: string; heardAt?: number }) {
  const frame = useRef<HTMLDivElement>(null);
  const words = useSignal("Reading the history …");
  // Grows with each thing heard; the chart need not be drawn anew for that.
  const heard = useRef(heardAt);
  heard.current = heardAt;
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    let chart: uPlot | null = null;
    let gone = false;
    const timezone = site.value?.timezone ?? "UTC";
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui",
    };
    const load = async () => {
      const last = heard.current ?? nowMs.peek();
      const past = nowMs.peek() - last > PAST_MS;
      const to = Math.round(past ? last + AFTER_MS : nowMs.peek());
      const from = to - SPAN_MS;
      const span = past ? `Five minutes until ${clock(to, timezone)}` : "Last five minutes";
      let points: readonly PointWire[];
      try {
        const path = `history?sensor=${sensor}&band=${band}&from=${from}&to=${to}&limit=600`;
        points = (await get<{ points: readonly PointWire[] }>(path)).points;
      } catch (error) {
        if (!gone) words.value = `No history: ${error instanceof Error ? error.message : String(error)}`;
        return;
      }
      if (gone) return;
      if (points.length === 0) {
        words.value = `${span}: no history.`;
        return;
      }
      const loudest = Math.max(...points.map((p) => p.max_dbm ?? Number.NEGATIVE_INFINITY));
      const floor = points.at(-1)!.floor_dbm;
      words.value = `${span}: loudest ${loudest.toFixed(0)} dBm${floor === null ? "" : `, noise floor ${floor.toFixed(0)} dBm`}.`;
      const column = (pick: (p: PointWire) => number | null) => points.map(pick);
      const data: uPlot.AlignedData = [
        points.map((p) => p.t / 1000),
        column((p) => p.max_dbm),
        column((p) => p.mean_dbm),
        column((p) => p.floor_dbm),
      ];
      if (chart !== null) {
        chart.setData(data);
        return;
      }
      chart = new uPlot(
        {
          width: element.clientWidth,
          height: 120,
          legend: { show: false },
          cursor: { show: false },
          tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), timezone),
          axes: [
            { ...axis, size: 22, incrs: TIME_STEPS_S, values: (_u, at) => at.map((t) => clock(t * 1000, timezone)) },
            { ...axis, size: 40 },
          ],
          series: [
            {},
            { stroke: colour("--trace-max"), width: 1.5, points: { show: false } },
            { stroke: colour("--trace-mean"), width: 1, points: { show: false } },
            { stroke: colour("--muted"), width: 1, dash: [4, 3], points: { show: false } },
          ],
        },
        data,
        element,
      );
    };
    void load();
    const timer = setInterval(() => void load(), REFRESH_MS);
    const observer = new ResizeObserver(() => chart?.setSize({ width: element.clientWidth, height: 120 }));
    observer.observe(element);
    return () => {
      gone = true;
      clearInterval(timer);
      observer.disconnect();
      chart?.destroy();
    };
  }, [sensor, band, theme.value]);
  return (
    <figure class="spark">
      <figcaption>
        {sensor} on {bandWords(band)}: loudest (bright), mean, noise floor (dashed), dBm
      </figcaption>
      <div ref={frame} aria-hidden="true" />
      <p class="spark-words">{words}</p>
    </figure>
  );
}

function clock(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone }).format(ms);
}
