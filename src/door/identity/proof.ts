import type { Subject } from '../subject.ts';

/** Somebody who has shown who he is, wherever he asks from. */
export type Known = Omit<Subject, 'address'>;

/** What was shown is right. */
export interface Proof {
  readonly known: Known;
  /** Is it so still, as far as can be said at once? What says no now may say yes later. */
  readonly holds: () => boolean;
  /** It may be remembered for so long; `renewed`: from the last time that it was shown on, else from the first. Milliseconds. */
  readonly forMs: number;
  readonly renewed: boolean;
  /** Is it taken from a network from which it was not shown yet? Default: it is. Where none is looked at, one that is taken would be told from the wrong ones. */
  readonly isTakenFrom?: (network: string) => boolean;
}

/**
 * Looks at what is behind the scheme of the header Authorization, a secret. `owner`: on whose behalf, for what is done for one after the other. Throws
 * RegistryError where it cannot be said: 429, 503.
 */
export type Prove = (shown: string, owner: string) => Promise<Proof | Refused>;

/** It is wrong. `why` is for whoever showed it, and has nothing of it. */
export interface Refused {
  readonly why: string;
  /** Is the same wrong still? Absent: it may be right the next time. */
  readonly holds?: () => boolean;
}
