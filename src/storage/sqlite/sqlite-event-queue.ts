import type { Database } from 'better-sqlite3';
import type { EventQueue, EventQueueState, EventTurn, QueuedEvent } from '../event-queue.ts';
import { preparing } from './statements.ts';

/** What waits to be sent, as it stands in the index. */
export class SqliteEventQueue implements EventQueue {
  readonly #statements: ReturnType<typeof prepareEvents>;

  constructor(database: Database) {
    this.#statements = prepareEvents(database);
  }

  async waiting(
    endpoint: string,
    { after, limit }: { readonly after: number; readonly limit: number },
  ): Promise<readonly QueuedEvent[]> {
    return this.#statements.waiting.all(endpoint, after, limit);
  }

  async turnOf(endpoint: string): Promise<EventTurn | undefined> {
    return this.#statements.endpoint.get(endpoint);
  }

  async stateOf(endpoint: string): Promise<EventQueueState> {
    const waiting = this.#statements.countWaiting.get(endpoint)?.count ?? 0;
    return { waiting, dropped: this.#statements.endpoint.get(endpoint)?.dropped ?? 0 };
  }

  async endpoints(): Promise<readonly string[]> {
    return this.#statements.eventEndpoints.all().map(({ endpoint }) => endpoint);
  }
}

export function prepareEvents(database: Database) {
  const prepare = preparing(database);
  return {
    waiting: prepare<[string, number, number], QueuedEvent>(
      'select id, event as text from event_queue where endpoint = ? and id > ? order by id limit ?',
    ),
    countWaiting: prepare<[string], { count: number }>(
      'select count(*) as count from event_queue where endpoint = ?',
    ),
    endpoint: prepare<[string], EventTurn>(
      'select holder, until, dropped from event_endpoints where endpoint = ?',
    ),
    eventEndpoints: prepare<[], { endpoint: string }>(
      'select endpoint from event_endpoints order by endpoint',
    ),
  };
}
