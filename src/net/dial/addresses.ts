import type { LookupAddress } from 'node:dns';

/** Those of a name, in the order in which they are to be tried. */
export type Addresses = readonly LookupAddress[];

/** A name's addresses; rejects with an error that has a code of Node's. */
export type Resolve = (hostname: string) => Promise<Addresses>;
