/** Labels of alerts on the plan. */
import { type Box, centreOf, type FloorPlan, sizeOf } from "./geometry.ts";
import { severityPath } from "./shapes.tsx";
import { selectedAlert } from "./state.ts";
import type { Alert, Severity } from "./wire.ts";
import { activityWords, stateWords } from "./words.ts";

/** An alert's own cell. */
export interface Place {
  readonly severity: Severity;
  readonly alert: Alert;
  readonly acked: boolean;
}

/** From more alerts than this on, labels and shades of all of them would cover each other. */
export const CROWD = 4;

const LABEL_PX = 14;
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
  const marked = [];
  for (const floor of floors) {
    for (const zone of floor.zones) {
      const place = own.get(zone.id);
      // In a flood labels would cover each other: then only the chosen one speaks.
      if (place !== undefined && !place.acked && (own.size <= CROWD || chosen?.cell === zone.id)) {
        const [x, y] = centreOf(zone.polygon);
        marked.push({ zone, place, x: x + floor.dx, y: y + floor.dy - sizeOf(zone.polygon).h / 2 });
      }
    }
  }
  return (
    <>
      {marked.map(({ zone, place, x, y }) => {
        const what = activityWords(place.alert) || stateWords(place.alert);
        const text = `${zone.id}  ${what}`;
        const width = 38 + textWidth(text);
        const left = Math.min(Math.max(-width / 2, (box.x - x) / unit + 2), (box.x + box.w - x) / unit - width - 2);
        const top = Math.max(-37, (box.y - y) / unit + 2);
        return (
          <g key={zone.id} class={`callout sev-${place.severity}`} transform={`translate(${x} ${y}) scale(${unit})`}>
            <path class="stem" d="M0 0V-9" />
            <g transform={`translate(${left} ${top})`}>
              <rect width={width} height="28" rx="3" />
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
