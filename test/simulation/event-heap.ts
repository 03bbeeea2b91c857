export interface ScheduledEvent {
  readonly at: number;
  /** Of events at the same time the lower goes first. */
  readonly tie: number;
  readonly label: string | undefined;
  readonly run: () => void;
  readonly isWanted: () => boolean;
}

/** Events by their time. */
export class EventHeap {
  readonly #heap: ScheduledEvent[] = [];
  /** Those that were removed, and may still be in the heap. */
  readonly #removed = new WeakSet<ScheduledEvent>();

  push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[at] = heap[parent] as ScheduledEvent;
      at = parent;
    }
    heap[at] = event;
  }

  remove(event: ScheduledEvent): void {
    this.#removed.add(event);
  }

  /** The first that is still wanted. */
  get next(): ScheduledEvent | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.isWanted() && !this.#removed.has(first)) return first;
      this.pop();
    }
    return undefined;
  }

  /** Takes the first away, wanted or not. */
  pop(): ScheduledEvent | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1;
      if (child >= heap.length || !isBefore(heap[child], last)) break;
      heap[at] = heap[child] as ScheduledEvent;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: ScheduledEvent | undefined, right: ScheduledEvent | undefined): boolean {
  if (left === undefined || right === undefined) return left !== undefined;
  return left.at < right.at || (left.at === right.at && left.tie < right.tie);
}
