/** Severity as shape, letter and text, so that colour is never the only sign. */
import type { Severity } from "./wire.ts";

const LETTER: Readonly<Record<Severity, string>> = { critical: "C", high: "H", medium: "M", low: "L" };

/** The outline alone, in a 20 by 20 box; also used on the plan. */
export function severityPath(severity: Severity): string {
  if (severity === "medium") return "M10 1L19.5 18.5H0.5Z";
  if (severity === "low") return "M10 1A9 9 0 1 1 9.99 1Z";
  return "M1 1H19V19H1Z";
}

export function SeverityMark({ severity, size = 26 }: { severity: Severity; size?: number }) {
  return (
    <svg class={`mark sev-${severity}`} width={size} height={size} viewBox="0 0 20 20" aria-hidden="true">
      <path d={severityPath(severity)} />
      {severity === "critical" && <path class="mark-inner" d="M3 3H17V17H3Z" />}
      <text x="10" y={severity === "medium" ? 16 : 14.4} text-anchor="middle">
        {LETTER[severity]}
      </text>
    </svg>
  );
}
