/** Labels of alerts on the plan. */
import {
  type Box,
  boxOf,
  FLOOR_NAME_M,
  FLOOR_NAME_UP_M,
  type FloorPlan,
  type LabelWish,
  placeLabels,
} from "./geometry.ts";
import { severityPath } from "./shapes.tsx";
import { selectedAlert } from "./state.ts";
import type { Alert, Severity } from "./wire.ts";
import { activityWords, severityOrder, stateWords } from "./words.ts";

/** An alert's own cell. */
export interface Place {
  readonly severity: Severity;
  readonly alert: Alert;
  readonly acked: boolean;
}

/** From more alerts than this on, labels and shades of all of them would cover each other. */
export const CROWD = 4;

const LABEL_PX = 14;
const LABEL_HEIGHT_PX = 28;
/** Between a label and its cell. */
const STEM_PX = 9;
let measure: CanvasRenderingContext2D | null | undefined;

/** Width of a label's text on the screen; a guess where the browser gives no canvas. */
function textWidth(text: string): number {
  measure ??= document.createElement("canvas").getContext("2d");
  if (!measure) return text.length * 0.65 * LABEL_PX;
  measure.font = `600 ${LABEL_PX}px ${getComputedStyle(document.body).fontFamily}`;
  return measure.measureText(text).width;
}

/** Labels of constant size on the screen, so that a cell is named even when the whole house is in view. */
export function Callouts({
  floors,
  own,
  unit,
  box,
}: {
  floors: readonly FloorPlan[];
  own: ReadonlyMap<string, Place>;
  unit: number;
  /** What is in view: a label stays inside. */
  box: Box;
}) {
  const chosen = selectedAlert.value;
  const marked: Box[] = [];
  const wanted: (LabelWish & { readonly id: string; readonly place: Place; readonly text: string })[] = [];
  for (const floor of floors) {
    for (const zone of floor.zones) {
      const place = own.get(zone.id);
      if (place === undefined) continue;
      const { x, y, w, h } = boxOf(zone.polygon);
      const at = { x: x + floor.dx, y: y + floor.dy, w, h };
      marked.push(at);
      // In a flood labels would cover each other: then only the chosen one speaks.
      if (place.acked || (own.size > CROWD && chosen?.cell !== zone.id)) continue;
      const text = `${zone.id}  ${activityWords(place.alert) || stateWords(place.alert)}`;
      wanted.push({ id: zone.id, place, text, zone: at, w: (38 + textWidth(text)) * unit, h: LABEL_HEIGHT_PX * unit });
    }
  }
  // The chosen one is placed first, then the worst.
  const order = (w: (typeof wanted)[number]) =>
    w.id === chosen?.cell ? Number.NEGATIVE_INFINITY : severityOrder(w.place.severity);
  wanted.sort((a, b) => order(a) - order(b));
  const titles = floors.map((f) => ({
    x: f.box.x + f.dx,
    y: f.box.y + f.dy - FLOOR_NAME_UP_M - FLOOR_NAME_M,
    w: `Floor ${f.floor}`.length * 0.6 * FLOOR_NAME_M,
    h: FLOOR_NAME_M,
  }));
  const labels = placeLabels(wanted, marked, titles, box, STEM_PX * unit);
  return (
    <>
      {wanted.map(({ id, place, text, zone, w }, i) => {
        const label = labels[i];
        if (label == null) return null;
        const x = zone.x + zone.w / 2;
        const y = label.above ? zone.y : zone.y + zone.h;
        const left = (label.box.x - x) / unit;
        const top = label.above ? -STEM_PX - LABEL_HEIGHT_PX : STEM_PX;
        return (
          <g key={id} class={`callout sev-${place.severity}`} transform={`translate(${x} ${y}) scale(${unit})`}>
            <path class="stem" d={`M0 0V${label.above ? -STEM_PX : STEM_PX}`} />
            <g transform={`translate(${left} ${top})`}>
              <rect width={w / unit} height={LABEL_HEIGHT_PX} rx="3" />
              <path class="callout-mark" d={severityPath(place.severity)} transform="translate(7 7) scale(.7)" />
              <text x="28" y="19" font-size={LABEL_PX}>
                {text}
              </text>
            </g>
          </g>
        );
      })}
    </>
  );
}
