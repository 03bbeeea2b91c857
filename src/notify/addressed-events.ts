import type { ContentEvent } from '../observe/content-event.ts';
import { type Operation, queueEvents } from '../storage/operation.ts';

/** Who wants to be told of an event. */
interface Addressee {
  /** Of its queue. */
  readonly name: string;
  /** Its events are there. */
  readonly wake: () => void;
}

export interface Addressing {
  readonly addresseesOf: (kind: ContentEvent['kind']) => readonly Addressee[];
  readonly textOf: (event: ContentEvent) => string;
  /** Of each endpoint so many wait in the index; then the oldest go. */
  readonly maxQueued: number;
}

/** Events on their way into the index. */
export interface AddressedEvents {
  /** What queues them: one for each addressee. */
  readonly operations: readonly Operation[];
  /** To be called when that was committed. */
  readonly committed: () => void;
}

/** What puts these into the queues of those who want them, in their order. A hundred at most. */
export function addressed(
  events: readonly ContentEvent[],
  { addresseesOf, textOf, maxQueued }: Addressing,
): AddressedEvents {
  const texts = new Map<Addressee, string[]>();
  for (const event of events) {
    const addressees = addresseesOf(event.kind);
    if (addressees.length === 0) continue;
    const text = textOf(event);
    for (const addressee of addressees) {
      const its = texts.get(addressee);
      if (its === undefined) texts.set(addressee, [text]);
      else its.push(text);
    }
  }
  return {
    operations: [...texts].map(([{ name }, its]) => queueEvents(name, its, maxQueued)),
    committed: () => {
      for (const { wake } of texts.keys()) wake();
    },
  };
}
