/** Where to search: the cells by the probability that a phone is kept there, and why. */
import { useEffect } from "preact/hooks";
import { fetchSearchList, nowMs, searchList } from "./state.ts";
import { ageWords, percent } from "./words.ts";

const AGAIN_MS = 10_000;
/** Reasons in a row; the API has more. */
const SHOWN = 2;

/** "x 12" for a fact that speaks for a phone, "/ 5" for one that speaks against it. */
export function factor(ratio: number): string {
  const digits = (v: number) => (v < 9.95 ? v.toFixed(1) : v < 1000 ? v.toFixed(0) : "1000+");
  return ratio >= 1 ? `× ${digits(ratio)}` : `÷ ${digits(1 / ratio)}`;
}

export function SearchList() {
  useEffect(() => {
    void fetchSearchList();
    const timer = setInterval(() => void fetchSearchList(), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const list = searchList.value;
  if (list === null) return <p class="quiet">Asking…</p>;
  if (list.length === 0) return <p class="quiet">This house has no cells.</p>;
  const known = list.filter((b) => b.reasons.length > 0);
  const other = list.find((b) => b.reasons.length === 0);
  if (known.length === 0) return <p class="quiet">No cell is known more of than of another.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard, and nothing in it takes the focus
    <ol class="rows searches" tabIndex={0} aria-label="Cells to search, likeliest first">
      {known.map((b) => (
        <li key={b.cell} class="row" data-search={b.cell}>
          <div class="row-main">
            <span class="row-text">
              <span class="row-top">
                <strong class="row-cell">{b.cell}</strong>
                <span class="row-p" title="Probability that a phone is kept there now">
                  {percent(b.p_kept)}
                </span>
                {b.p_used >= 0.05 && <span class="row-activity">used there lately {percent(b.p_used)}</span>}
              </span>
              {b.reasons.slice(0, SHOWN).map((r) => (
                <span key={`${r.kind} ${r.ref}`} class="search-reason">
                  {factor(r.odds_ratio)} · {r.text}, {ageWords(nowMs.value - r.t)} ago
                </span>
              ))}
            </span>
          </div>
        </li>
      ))}
      {other !== undefined && <li class="quiet">Of the other cells nothing is known: {percent(other.p_kept)} each.</li>}
    </ol>
  );
}
