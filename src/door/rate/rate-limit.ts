import type { Soon } from '../../base/soon.ts';

/** As it is configured. */
export interface RateLimitSettings {
  /** So many requests of one client. */
  readonly requests: number;
  /** In so long. Milliseconds. */
  readonly per: number;
  readonly window: 'sliding' | 'fixed';
  /** Who is counted: he who is known, else his address; he who is known alone; the address alone. */
  readonly by: 'client' | 'user' | 'address';
  /** When a counter of several servers cannot be reached: `allow` goes on with what this server counts, `deny` lets nobody in. */
  readonly onStoreError: 'allow' | 'deny';
}

/** How much of his limit a client has, with the request that was just counted. */
export interface Allowance {
  /** Was it one too many? */
  readonly isOver: boolean;
  /** So many more are left. */
  readonly remaining: number;
  /** Until more are. Milliseconds. */
  readonly resetMs: number;
}

/** Counts the requests of clients, each for himself. Rejects where the counter cannot be reached. */
export interface Counter {
  count(client: string): Soon<Allowance>;
  /** Would one more be one too many? Counts nothing. */
  isOver(client: string): Soon<boolean>;
}
