import { type Clock, systemClock } from '../../base/clock.ts';
import { RegistryError } from '../../oci/error.ts';

/** How long a client waits for its status line. */
export interface HeadLimit {
  readonly clock: Clock;
  readonly milliseconds: number;
}

/** containerd gives up after 30 s without a status line, and then it has learnt nothing; this leaves it time to hear of it and to ask again. */
export const maxHeadMs = 20_000;

export const defaultHeadLimit: HeadLimit = { clock: systemClock, milliseconds: maxHeadMs };

/** Whoever asks again so soon joins what is under way, and does not begin it anew. Seconds. */
const retryAfter = '2';

/** That an answer is not there in time; what was begun for it goes on. */
export function lateError(what: string, { milliseconds }: HeadLimit): RegistryError {
  const seconds = Math.round(milliseconds / 1000);
  return new RegistryError(
    'UNAVAILABLE',
    `still waiting for ${what} after ${seconds} s: it is being fetched, ask again`,
    { status: 503, headers: { 'Retry-After': retryAfter } },
  );
}
