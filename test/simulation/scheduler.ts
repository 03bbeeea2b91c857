import { setImmediate } from 'node:timers/promises';
import { EventHeap } from './event-heap.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';

/** After the last event the loop turns so often before nothing more is believed to come. */
const quietTurns = 12;

/**
 * Fake time and all that happens in it: whatever ends (a timer, a file call, a chunk from upstream, a client's pause) is an event
 * with a time, and of two at the same time the seed picks. Between two events microtasks run to their end, as in Node, and
 * what waits for the next turn of the loop competes with the events.
 */
export class Scheduler {
  readonly #events = new EventHeap();
  readonly #random: Random;
  readonly #trace: Trace;
  #time = 0;
  #steps = 0;
  #outside: Promise<unknown> | undefined;

  constructor(random: Random, trace: Trace) {
    this.#random = random;
    this.#trace = trace;
  }

  /** Milliseconds since the scenario began. */
  get time(): number {
    return this.#time;
  }

  get steps(): number {
    return this.#steps;
  }

  note(what: string): void {
    this.#trace.note(this.#time, what);
  }

  /** Returns what cancels it. `label` undefined: not worth a line. `isWanted`: does anybody still wait for it? */
  after(
    milliseconds: number,
    label: string | undefined,
    run: () => void,
    isWanted: () => boolean = () => true,
  ): () => void {
    const at = this.#time + Math.max(0, milliseconds);
    const event = { at, tie: this.#random.next(), label, run, isWanted };
    this.#events.push(event);
    return () => this.#events.remove(event);
  }

  /** Work that is really done, by the machine's own disk, one after the other: no event happens meanwhile. */
  async outside<Value>(work: () => Promise<Value>): Promise<Value> {
    const before = this.#outside;
    const working = before === undefined ? work() : before.then(work);
    const over = working.then(
      () => {},
      () => {},
    );
    this.#outside = over;
    return await working.finally(() => {
      if (this.#outside === over) this.#outside = undefined;
    });
  }

  /** Runs events until `isOver` or none is left. */
  async run(isOver: () => boolean): Promise<void> {
    for (let quiet = 0; !isOver() && quiet < quietTurns; ) {
      if (this.#outside !== undefined) {
        await this.#outside;
        // However long it took, what else needs no time is done by then.
        await turns(quietTurns);
        continue;
      }
      const next = this.#events.next;
      if (next === undefined) {
        quiet += 1;
        await turns(1);
        continue;
      }
      // What needs no time but turns of the loop is done before time goes on.
      if (next.at > this.#time + 1 && quiet === 0) {
        quiet = 1;
        await turns(quietTurns);
        continue;
      }
      quiet = 0;
      this.#events.pop();
      this.#time = Math.max(this.#time, next.at);
      this.#steps += 1;
      if (next.label !== undefined) this.note(next.label);
      next.run();
      await turns(this.#random.chance(0.7) ? 1 : 3);
    }
  }
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) await setImmediate();
}
