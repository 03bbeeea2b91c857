import type { ContentEvent } from '../observe/content-event.ts';
import type { ClientRequest } from '../oci/client-request.ts';
import type { HostedParts } from './hosted-parts.ts';

type Without<Event, Key extends PropertyKey> = Event extends unknown ? Omit<Event, Key> : never;

/** What a client has done, but for when and by which request. */
type Doing = Without<Extract<ContentEvent, { readonly request: ClientRequest }>, 'at' | 'request'>;

/** What others are told of it. `by` undefined: nothing. */
export function eventsOf(
  by: ClientRequest | undefined,
  { clock }: Pick<HostedParts, 'clock'>,
  ...doings: readonly Doing[]
): readonly ContentEvent[] {
  if (by === undefined) return [];
  const at = clock.now();
  return doings.map((doing) => ({ ...doing, at, request: by }));
}
