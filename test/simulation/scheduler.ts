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

  /** Returns what cancels it. `label` undefined: not worth a line. */
  after(milliseconds: number, label: string | undefined, run: () => void): () => void {
    const event = { at: this.#time + Math.max(0, milliseconds), tie: this.#random.next(), label, run };
    this.#events.push(event);
    return () => this.#events.remove(event);
  }

  /** Work that is really done, by the machine's own disk: no event happens meanwhile. */
  async outside<Value>(work: () => Promise<Value>): Promise<Value> {
    const working = work();
    this.#outside = working.catch(() => undefined);
    return await working.finally(() => {
      this.#outside = undefined;
    });
  }

  /** Runs events until `isOver` or none is left. */
  async run(isOver: () => boolean): Promise<void> {
    for (let quiet = 0; !isOver() && quiet < quietTurns; ) {
      if (this.#outside !== undefined) await this.#outside;
      const event = this.#events.pop();
      quiet = event === undefined ? quiet + 1 : 0;
      if (event !== undefined) {
        this.#time = Math.max(this.#time, event.at);
        this.#steps += 1;
        if (event.label !== undefined) this.note(event.label);
        event.run();
      }
      for (let turns = this.#random.chance(0.7) ? 1 : 3; turns > 0; turns -= 1) await setImmediate();
    }
  }
}
