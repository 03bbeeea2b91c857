import { type Digest, imageText, type RepositoryName } from '../oci/reference.ts';
import type { Entry } from './send-entries.ts';

/** A blob that is being fetched. Bytes. */
export interface FetchedBlob {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly received: number;
  /** Undefined: nobody says. */
  readonly expected: number | undefined;
  /** Does a client wait for it? */
  readonly isWaitedFor: boolean;
  /** Does it wait for its turn at upstream? */
  readonly isQueued: boolean;
}

export const fillHeader = 'BLOB RECEIVED EXPECTED WANTED\n';

/** As they are at this moment: as many as there are transfers. */
export async function* fillEntries(fills: Iterable<FetchedBlob>): AsyncGenerator<readonly Entry[]> {
  yield Array.from(fills, entryOf);
}

function entryOf({ repository, digest, received, expected, isWaitedFor, isQueued }: FetchedBlob): Entry {
  const wanted = isQueued ? 'queued' : isWaitedFor ? 'yes' : 'no';
  return {
    text: `${imageText({ repository, reference: digest })} ${received} ${expected ?? '-'} ${wanted}\n`,
    object: {
      ...{ repository, digest, received, expected: expected ?? null },
      ...{ wanted: isWaitedFor, queued: isQueued },
    },
  };
}
