/** The plan of the house: every floor at once, cells coloured only when something is wrong, sensors as small marks. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Callouts, CROWD, type Place } from "./callouts.tsx";
import {
  type Box,
  boxOf,
  centreOf,
  ellipseOf,
  FLOOR_NAME_M,
  FLOOR_NAME_UP_M,
  type FloorPlan,
  frameOf,
  layOut,
  nameSpot,
  pathOf,
  wallPieces,
  zoom,
} from "./geometry.ts";
import { openAlerts, select, selectedAlert, selection, sensors, site, zones } from "./state.ts";
import type { Alert, SensorStateName, Severity, ZoneWire } from "./wire.ts";
import { cellP, loudest, percent, sensorStateWords, shortZone, stateWords, worst } from "./words.ts";

interface Maybe {
  readonly p: number;
  readonly severity: Severity;
}

/** Which zones are an alert's own cell, and how likely the others are by any alert that is not acknowledged. */
function placesOf(alerts: readonly Alert[], chosen: Alert | null) {
  const own = new Map<string, Place>();
  const maybe = new Map<string, Maybe>();
  for (const alert of alerts) {
    if (alert.cell !== null) {
      const before = own.get(alert.cell);
      own.set(alert.cell, {
        severity: before === undefined ? alert.severity : worst(before.severity, alert.severity),
        alert: before === undefined || before.acked ? alert : before.alert,
        acked: alert.acked && (before?.acked ?? true),
      });
    }
    // In a flood, and once acknowledged, only the chosen alert's neighbours stay shaded: they are for the search.
    if ((alert.acked || alerts.length > CROWD) && alert.id !== chosen?.id) continue;
    for (const { cell, p } of alert.candidates) {
      if (cell !== alert.cell && p > (maybe.get(cell)?.p ?? 0)) maybe.set(cell, { p, severity: alert.severity });
    }
  }
  return { own, maybe };
}

/** Width of a bold letter, of its size. */
const BOLD = 0.7;

function Zone({
  zone,
  place,
  maybe,
  sensors,
}: {
  zone: ZoneWire;
  place: Place | undefined;
  maybe: Maybe | undefined;
  /** Where sensors hang, in page coordinates. */
  sensors: readonly (readonly [number, number])[];
}) {
  const { w, h } = boxOf(zone.polygon);
  const label = shortZone(zone.id, zone.block, zone.floor);
  const long = label.length > 3;
  // Letters are about 0.6 of their size wide; long names of corridors stay small.
  const size = Math.min(long ? 0.85 : 1.15, (w * 0.9) / (0.6 * label.length), h * 0.4);
  const middle = centreOf(zone.polygon);
  const alone = zone.kind !== "cell" && place === undefined;
  const [x, y] = alone ? nameSpot(boxOf(zone.polygon), 0.6 * label.length * size, size, sensors) : middle;
  const p = place === undefined ? null : cellP(place.alert);
  // A cell that is only the best of many guesses is outlined and shaded, not filled: nobody should walk there certain.
  const unsure = p !== null && p < 0.5;
  const state =
    place === undefined ? "" : `alert sev-${place.severity}${place.acked ? " acked" : ""}${unsure ? " unsure" : ""}`;
  const odds = place !== undefined ? percent(p ?? 0) : maybe !== undefined ? percent(maybe.p) : null;
  const chosen = place !== undefined && selection.value?.type === "alert" && selection.value.id === place.alert.id;
  const open = place === undefined ? undefined : () => select({ type: "alert", id: place.alert.id });
  return (
    <g
      id={`zone-${zone.id}`}
      data-zone={zone.id}
      class={`zone kind-${zone.kind} ${zone.phones} ${state} ${maybe === undefined ? "" : `maybe of-${maybe.severity}`} ${chosen ? "chosen" : ""}`}
      {...(place === undefined
        ? {}
        : {
            role: "button",
            tabindex: 0,
            "aria-label": `${zone.id}: ${place.severity} alert, ${stateWords(place.alert)}`,
            onClick: open,
            onKeyDown: (e: KeyboardEvent) => {
              if (e.key === "Enter" || e.key === " ") {
                e.preventDefault();
                open?.();
              }
            },
          })}
    >
      <title>{`${zone.id}${maybe === undefined ? "" : `, possible: ${percent(maybe.p)}`}`}</title>
      <path class="area" d={pathOf(zone.polygon)} />
      {unsure && place !== undefined && !place.acked && (
        <path class={`shade of-${place.severity}`} d={pathOf(zone.polygon)} fill-opacity={0.12 + 0.6 * p} />
      )}
      {maybe !== undefined && place === undefined && (
        <path class="shade" d={pathOf(zone.polygon)} fill-opacity={0.12 + 0.6 * maybe.p} />
      )}
      <text
        class="name"
        x={x}
        y={maybe !== undefined || place !== undefined ? y - 0.15 : y + size * 0.35}
        font-size={size}
      >
        {label}
      </text>
      {odds !== null && (
        <text class="odds" x={x} y={y + 0.95} font-size={Math.min(0.85, (w * 0.9) / (BOLD * odds.length))}>
          {odds}
        </text>
      )}
    </g>
  );
}

function Sensor({
  id,
  x,
  y,
  state,
  excess,
}: {
  id: string;
  x: number;
  y: number;
  state: SensorStateName;
  excess: number | null;
}) {
  // Also where the chosen alert is of its fault: somebody has to go there.
  const chosen = selection.value?.type === "sensor" ? selection.value.id === id : selectedAlert.value?.sensor === id;
  return (
    // biome-ignore lint/a11y/useSemanticElements: inside a drawing there are no buttons
    <g
      class={`sensor is-${state} ${chosen ? "chosen" : ""}`}
      transform={`translate(${x} ${y})`}
      // Only those in trouble are on the way of the Tab key: two hundred good ones would bury the alerts.
      tabindex={state === "ok" || state === "warming" ? -1 : 0}
      role="button"
      aria-label={`Sensor ${id}: ${sensorStateWords(state)}`}
      onClick={() => select({ type: "sensor", id })}
      onKeyDown={(e) => {
        if (e.key === "Enter") select({ type: "sensor", id });
      }}
    >
      <title>{`${id}: ${sensorStateWords(state)}${excess === null ? "" : `, ${Math.round(excess)} dB above its noise`}`}</title>
      {excess !== null && <circle class="hearing" r={0.45 + Math.max(0, excess) * 0.02} />}
      <circle class="target" r="0.7" />
      {state === "ok" || state === "warming" ? (
        <circle class="dot" r="0.24" />
      ) : (
        <path class="dot" d="M-.42 -.42H.42V.42H-.42Z" />
      )}
      {(state === "offline" || state === "unseen") && <path class="cross" d="M-.42 -.42L.42 .42M.42 -.42L-.42 .42" />}
      {(state === "fault" || state === "tamper") && (
        <text class="bang" y="0.31" font-size="0.85">
          !
        </text>
      )}
    </g>
  );
}

function Floor({
  floor,
  own,
  maybe,
  heard,
}: {
  floor: FloorPlan;
  own: ReadonlyMap<string, Place>;
  maybe: ReadonlyMap<string, Maybe>;
  heard: ReadonlyMap<string, number>;
}) {
  const states = sensors.value;
  const chosen = selectedAlert.value;
  const spot = chosen?.position?.floor === floor.floor && chosen.closed_at === null ? chosen.position : null;
  const ellipse = spot === null ? null : ellipseOf(spot.cov_m2, 0.9);
  // Alerts are drawn last, so that no neighbour's line crosses them.
  const order = [...floor.zones].sort((a, b) => Number(own.has(a.id)) - Number(own.has(b.id)));
  return (
    <g transform={`translate(${floor.dx} ${floor.dy})`}>
      <text class="floor-name" x={floor.box.x} y={floor.box.y - FLOOR_NAME_UP_M} font-size={FLOOR_NAME_M}>
        {`Floor ${floor.floor}`}
      </text>
      {order.map((zone) => (
        <Zone
          key={zone.id}
          zone={zone}
          place={own.get(zone.id)}
          maybe={maybe.get(zone.id)}
          sensors={floor.sensors.flatMap((s) => (s.position_m === null ? [] : [[s.position_m[0], -s.position_m[1]]]))}
        />
      ))}
      <path
        class="walls"
        d={floor.walls.flatMap((w) => wallPieces(w).map(([a, b, c, d]) => `M${a},${b}L${c},${d}`)).join("")}
      />
      {spot !== null && ellipse !== null && (
        <g class="spot" transform={`translate(${spot.x_m} ${-spot.y_m}) rotate(${ellipse.angle})`}>
          <ellipse rx={Math.max(0.2, ellipse.rx)} ry={Math.max(0.2, ellipse.ry)} />
        </g>
      )}
      {floor.sensors.map(
        (s) =>
          s.position_m !== null && (
            <Sensor
              key={s.id}
              id={s.id}
              x={s.position_m[0]}
              y={-s.position_m[1]}
              state={states.get(s.id)?.state ?? "unseen"}
              excess={heard.get(s.id) ?? null}
            />
          ),
      )}
    </g>
  );
}

export function PlanView() {
  const frame = useRef<HTMLDivElement>(null);
  const size = useSignal({ w: 900, h: 600 });
  const block = useSignal<string | null>(null);
  /** null: the whole plan. */
  const view = useSignal<Box | null>(null);
  const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null);
  const aspect = size.value.w / size.value.h;
  const here = site.value;
  const plan = useMemo(
    () => (here === null ? null : layOut(here, zones.value, block.value, aspect)),
    [here, zones.value, block.value, aspect],
  );
  const places = useComputed(() => placesOf(openAlerts.value, selectedAlert.value));
  const heard = useComputed(() => {
    const strongest = new Map<string, number>();
    const chosen = selectedAlert.value;
    // Of a closed alert nothing is heard now.
    if (chosen === null || chosen.closed_at !== null) return strongest;
    for (const s of loudest(chosen)) {
      strongest.set(s.sensor, Math.max(s.excess_db, strongest.get(s.sensor) ?? -1));
    }
    return strongest;
  });
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      size.value = { w: Math.max(100, element.clientWidth), h: Math.max(100, element.clientHeight) };
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const whole = plan === null ? null : frameOf(plan.box, aspect);
  const box = view.value ?? whole;
  const zoomBy = (factor: number, fx = 0.5, fy = 0.5) => {
    if (box === null || whole === null) return;
    view.value = zoom(box, factor, box.x + box.w * fx, box.y + box.h * fy, whole);
  };
  const pan = (dx: number, dy: number) => {
    if (box !== null) view.value = { ...box, x: box.x + dx, y: box.y + dy };
  };
  const unit = box === null ? 1 : box.w / size.value.w;
  const onWheel = (e: WheelEvent) => {
    e.preventDefault();
    const rect = frame.current!.getBoundingClientRect();
    zoomBy(Math.exp(e.deltaY * 0.0015), (e.clientX - rect.left) / rect.width, (e.clientY - rect.top) / rect.height);
  };
  // A passive listener could not keep the page from scrolling.
  useEffect(() => {
    const element = frame.current;
    element?.addEventListener("wheel", onWheel, { passive: false });
    return () => element?.removeEventListener("wheel", onWheel);
  });
  const onKeyDown = (e: KeyboardEvent) => {
    if (box === null) return;
    const step = box.w / 10;
    if (e.key === "ArrowLeft") pan(-step, 0);
    else if (e.key === "ArrowRight") pan(step, 0);
    else if (e.key === "ArrowUp") pan(0, -step);
    else if (e.key === "ArrowDown") pan(0, step);
    else return;
    e.preventDefault();
  };
  return (
    <div class="plan" ref={frame}>
      {plan !== null && box !== null && (
        // biome-ignore lint/a11y/useSemanticElements: a drawing has no element of its own for a group
        <svg
          class="drawing"
          viewBox={`${box.x} ${box.y} ${box.w} ${box.h}`}
          role="group"
          aria-label="Plan of the house; arrow keys move it, plus and minus zoom, zero shows all of it"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: the plan pans by arrow keys, so it must take the focus
          tabindex={0}
          onKeyDown={onKeyDown}
          onPointerDown={(e) => {
            drag.current = { x: e.clientX, y: e.clientY, moved: false };
          }}
          onPointerMove={(e) => {
            const from = drag.current;
            if (from === null) return;
            const dx = e.clientX - from.x;
            const dy = e.clientY - from.y;
            if (!from.moved && Math.hypot(dx, dy) < 4) return;
            if (!from.moved) e.currentTarget.setPointerCapture(e.pointerId);
            pan(-dx * unit, -dy * unit);
            drag.current = { x: e.clientX, y: e.clientY, moved: true };
          }}
          onPointerUp={() => {
            drag.current = null;
          }}
          onPointerCancel={() => {
            drag.current = null;
          }}
        >
          {plan.floors.map((floor) => (
            <Floor
              key={floor.floor}
              floor={floor}
              own={places.value.own}
              maybe={places.value.maybe}
              heard={heard.value}
            />
          ))}
          <Callouts floors={plan.floors} own={places.value.own} unit={unit} box={box} />
        </svg>
      )}
      <div class="plan-tools">
        <button type="button" title="Closer (+)" aria-label="Zoom in" onClick={() => zoomBy(0.7)}>
          +
        </button>
        <button type="button" title="Further (-)" aria-label="Zoom out" onClick={() => zoomBy(1 / 0.7)}>
          −
        </button>
        <button
          type="button"
          id="plan-fit"
          title="All of it (0)"
          onClick={() => {
            view.value = null;
          }}
        >
          All
        </button>
      </div>
      {here !== null && here.blocks.length > 1 && (
        <fieldset class="plan-blocks" aria-label="Block">
          {[null, ...here.blocks.map((b) => b.id)].map((id) => (
            <button
              type="button"
              key={id ?? "all"}
              aria-pressed={block.value === id}
              onClick={() => {
                block.value = id;
                view.value = null;
              }}
            >
              {id === null ? "All blocks" : here.blocks.find((b) => b.id === id)!.name}
              {countIn(id) > 0 && <strong> {countIn(id)}</strong>}
            </button>
          ))}
        </fieldset>
      )}
    </div>
  );
}

function countIn(block: string | null): number {
  return openAlerts.value.filter((a) => block === null || a.block === block).length;
}
