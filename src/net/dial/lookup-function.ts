import type { LookupFunction } from 'node:net';
import type { NameLookups } from './name-lookups.ts';

/** Names as a socket asks for them. */
export function lookupFunction(names: Pick<NameLookups, 'lookUp'>): LookupFunction {
  return (hostname, options, callback) => {
    names.lookUp(hostname).then(
      (addresses) => {
        if (options.all === true) callback(null, [...addresses]);
        else callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), []),
    );
  };
}
