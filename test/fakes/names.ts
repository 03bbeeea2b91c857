import { systemClock } from '#src/base/clock.ts';
import { type NameLookupSettings, NameLookups } from '#src/net/dial/name-lookups.ts';

/** Names as the system knows them, or as a test says; no name server is asked past it. */
export function someNames(settings: Partial<NameLookupSettings> = {}): NameLookups {
  return new NameLookups({ clock: systemClock, threads: 1, ask: async () => [], ...settings });
}
