/** One-to-one matching: as many pairs as possible, and among those the cheapest. */

export interface Edge {
  readonly left: number;
  readonly right: number;
  /** Finite and not negative. */
  readonly cost: number;
}

/**
 * Maximum-cardinality, minimum-cost matching of a bipartite graph.
 *
 * Successive cheapest augmenting paths (Bellman-Ford over the residual graph): each path adds one pair, and the cheapest
 * path keeps the total cheapest for that number of pairs. Ties are broken by index, so the answer does not depend on the
 * order of the edges.
 *
 * Cost: O(pairs · edges · nodes) in the worst case within one connected part; parts are solved on their own, and uses that
 * overlap in time are few.
 *
 * @returns right index per left, or -1
 * @example assign(2, 2, [{left:0,right:0,cost:1},{left:0,right:1,cost:2},{left:1,right:0,cost:1}]) // [1, 0]
 */
export function assign(lefts: number, rights: number, edges: readonly Edge[]): number[] {
  const match = new Array<number>(lefts).fill(-1);
  for (const part of parts(lefts, rights, edges)) solve(part, match);
  return match;
}

/** Connected parts of the graph, as lists of edges in a fixed order. */
function parts(lefts: number, rights: number, edges: readonly Edge[]): Edge[][] {
  const parent = Array.from({ length: lefts + rights }, (_, i) => i);
  const root = (i: number): number => {
    let r = i;
    while (parent[r] !== r) r = parent[r]!;
    while (parent[i] !== r) {
      const up = parent[i]!;
      parent[i] = r;
      i = up;
    }
    return r;
  };
  for (const e of edges) parent[root(e.left)] = root(lefts + e.right);
  const byRoot = new Map<number, Edge[]>();
  const sorted = [...edges].sort((a, b) => a.left - b.left || a.right - b.right || a.cost - b.cost);
  for (const e of sorted) {
    const r = root(e.left);
    const list = byRoot.get(r);
    if (list) list.push(e);
    else byRoot.set(r, [e]);
  }
  return [...byRoot.values()];
}

function solve(edges: readonly Edge[], match: number[]): void {
  const owner = new Map<number, number>();
  const lefts = [...new Set(edges.map((e) => e.left))];
  const costOf = new Map<string, number>();
  for (const e of edges) {
    const key = `${e.left}/${e.right}`;
    costOf.set(key, Math.min(e.cost, costOf.get(key) ?? Number.POSITIVE_INFINITY));
  }
  for (;;) {
    // Distances from any free left to each left and right along alternating paths.
    const toLeft = new Map<number, number>();
    const toRight = new Map<number, { cost: number; via: number }>();
    for (const l of lefts) if (match[l] === -1) toLeft.set(l, 0);
    for (let moved = true; moved; ) {
      moved = false;
      for (const { left, right } of edges) {
        const from = toLeft.get(left);
        if (from === undefined || match[left] === right) continue;
        const cost = from + costOf.get(`${left}/${right}`)!;
        // The margin keeps rounding from sending a path round a circle of no cost for ever.
        if (cost >= (toRight.get(right)?.cost ?? Number.POSITIVE_INFINITY) - 1e-9) continue;
        toRight.set(right, { cost, via: left });
        moved = true;
        const next = owner.get(right);
        if (next !== undefined) toLeft.set(next, cost - costOf.get(`${next}/${right}`)!);
      }
    }
    let end = -1;
    let best = Number.POSITIVE_INFINITY;
    for (const [right, { cost }] of toRight) {
      if (owner.has(right)) continue;
      if (cost < best - 1e-9 || (Math.abs(cost - best) <= 1e-9 && right < end)) {
        best = cost;
        end = right;
      }
    }
    if (end === -1) return;
    for (let right = end; ; ) {
      const left = toRight.get(right)!.via;
      const before = match[left]!;
      match[left] = right;
      owner.set(right, left);
      if (before === -1) break;
      right = before;
    }
  }
}
