/** What somebody is still to be told. */
export interface QueuedEvent {
  /** Its place in the queue, which only grows. */
  readonly id: number;
  /** As it is sent. */
  readonly text: string;
}

/** Where events wait for whom. */
export interface EventQueueState {
  readonly waiting: number;
  /** How many have given way to later ones, ever. */
  readonly dropped: number;
}

/** Who sends what waits for an endpoint: one process at a time. */
export interface EventTurn {
  readonly holder: string;
  /** Milliseconds since the epoch; then anybody may take it. */
  readonly until: number;
  /** As in {@link EventQueueState}. */
  readonly dropped: number;
}

/**
 * Events on their way out, durable as all that is known (decision 12); an endpoint is whatever name its sender gave it. Written by operations
 * (`queue events`, `take event turn`, `settle events`).
 */
export interface EventQueue {
  /** The oldest behind `after`, at most `limit` of some hundred. */
  waiting(
    endpoint: string,
    page: { readonly after: number; readonly limit: number },
  ): Promise<readonly QueuedEvent[]>;
  turnOf(endpoint: string): Promise<EventTurn | undefined>;
  stateOf(endpoint: string): Promise<EventQueueState>;
  /** All for which something was ever queued. */
  endpoints(): Promise<readonly string[]>;
}
