import { share } from "../../simulator/scoring/stats.ts";

/** A share with Wilson's 95 % interval, as benches print it: `81 % (72-87)`; "-" of none. */
export function percentOf(hits: number, n: number, digits = 0): string {
  if (n === 0) return "-";
  const { lo, hi } = share(hits, n);
  const text = (p: number) => (100 * p).toFixed(digits);
  return `${text(hits / n)} % (${text(lo!)}-${text(hi!)})`;
}
