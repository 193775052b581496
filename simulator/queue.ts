import type { SimMessage } from "./engine.ts";

/** Messages that wait for their time: a binary heap by (time, order of entry). */
export class Queue {
  private readonly heap: { readonly m: SimMessage; readonly n: number }[] = [];
  private count = 0;

  get nextT(): number {
    return this.heap[0]?.m.t ?? Number.POSITIVE_INFINITY;
  }

  push(m: SimMessage): void {
    const heap = this.heap;
    const entry = { m, n: this.count++ };
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up] as typeof entry;
      if (before(parent, entry)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = entry;
  }

  pop(): SimMessage {
    const heap = this.heap;
    const top = heap[0];
    const last = heap.pop();
    if (!top || !last) throw new Error("pop from an empty queue");
    if (heap.length === 0) return top.m;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right && before(right, heap[child] as typeof last)) child++;
      if (before(last, heap[child] as typeof last)) break;
      heap[i] = heap[child] as typeof last;
      i = child;
    }
    heap[i] = last;
    return top.m;
  }
}

function before(a: { m: SimMessage; n: number }, b: { m: SimMessage; n: number }): boolean {
  return a.m.t < b.m.t || (a.m.t === b.m.t && a.n < b.n);
}
