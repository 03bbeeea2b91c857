import type { Database } from 'better-sqlite3';
import type { Operation } from '../operation.ts';
import { preparing } from './statements.ts';

type EventOperation = Extract<
  Operation,
  { kind: 'queue events' } | { kind: 'take event turn' } | { kind: 'settle events' }
>;
type Of<Kind extends EventOperation['kind']> = Extract<EventOperation, { kind: Kind }>;

/** Does the operations of the queue of events, inside a transaction of the caller's. */
export class EventWriter {
  readonly #statements: ReturnType<typeof prepareEventWrites>;
  readonly #now: () => number;

  constructor(database: Database, now: () => number) {
    this.#statements = prepareEventWrites(database);
    this.#now = now;
  }

  write(operation: EventOperation): void {
    if (operation.kind === 'queue events') this.#queue(operation);
    else if (operation.kind === 'take event turn') this.#takeTurn(operation);
    else this.#settle(operation);
  }

  #queue({ endpoint, texts, most }: Of<'queue events'>): void {
    this.#statements.knowEndpoint.run(endpoint);
    for (const text of texts) this.#statements.queueEvent.run(endpoint, text);
    const behind = this.#statements.eventBehind.get(endpoint, most);
    if (behind === undefined) return;
    const { changes } = this.#statements.dropEvents.run(endpoint, behind.id);
    this.#statements.countDropped.run(changes, endpoint);
  }

  /** A turn that ends later than any would was taken when the clock went ahead. */
  #takeTurn({ endpoint, holder, until }: Of<'take event turn'>): void {
    this.#statements.knowEndpoint.run(endpoint);
    this.#statements.takeTurn.run({ endpoint, holder, until, now: this.#now() });
  }

  #settle({ endpoint, upTo, holder }: Of<'settle events'>): void {
    this.#statements.dropEvents.run(endpoint, upTo);
    this.#statements.endTurn.run(endpoint, holder);
  }
}

export function prepareEventWrites(database: Database) {
  const prepare = preparing(database);
  return {
    knowEndpoint: prepare<[string]>(
      'insert into event_endpoints (endpoint) values (?) on conflict do nothing',
    ),
    queueEvent: prepare<[string, string]>('insert into event_queue (endpoint, event) values (?, ?)'),
    /** The one that is one too many. */
    eventBehind: prepare<[string, number], { id: number }>(
      'select id from event_queue where endpoint = ? order by id desc limit 1 offset ?',
    ),
    dropEvents: prepare<[string, number]>('delete from event_queue where endpoint = ? and id <= ?'),
    countDropped: prepare<[number, string]>(
      'update event_endpoints set dropped = dropped + ? where endpoint = ?',
    ),
    takeTurn: prepare<[Record<string, unknown>]>(
      `update event_endpoints set holder = $holder, until = $until
       where endpoint = $endpoint and (holder in ('', $holder) or until <= $now or until > $until)`,
    ),
    endTurn: prepare<[string, string]>(
      "update event_endpoints set holder = '' where endpoint = ? and holder = ?",
    ),
  };
}
