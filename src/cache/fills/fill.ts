import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { BlobInfo, BlobReader, RangeSpec } from '../../oci/registry.ts';

/** How far it is, in bytes. */
export interface FillProgress {
  readonly received: number;
  /** What should come in all; undefined: nobody says. */
  readonly expected: number | undefined;
  /** What may come in all while nobody waits for it. */
  readonly limit: number;
}

/** Where a reader begins, and whether it reads for a client. */
export interface Place {
  readonly repository: RepositoryName;
  readonly range: RangeSpec | undefined;
  readonly isClient: boolean;
}

/**
 * A reader's place in a fill, taken before anything was waited for: while it is held the fill's bytes stay readable, however
 * the fill ends meanwhile. To be left, or given to the reader that `open` makes.
 */
export interface Seat extends Disposable {
  readonly fill: Fill;
  /** Can it still be read from here? Not when the fill has failed or, on a full disk, has passed by. */
  readonly isGood: boolean;
  /**
   * Follows the fill, over the whole blob while its size is not known. The repository must own the blob by now. Rejects
   * with upstream's error.
   */
  open(signal: AbortSignal | undefined): Promise<BlobReader>;
}

/** A blob on its way from upstream, for all who want it. */
export interface Fill {
  readonly digest: Digest;
  /** In whose name upstream is asked. */
  readonly repository: RepositoryName;
  /** Settles when upstream has given something; rejects with what it answered instead. */
  readonly head: Promise<void>;
  /** Settles when nothing is left to do, however it ended. */
  readonly done: Promise<void>;
  /** Did upstream fail, lie or vanish? Then the next reader needs a new fill. */
  readonly failed: boolean;
  /** Why it has failed. */
  readonly failure: unknown;
  /** Why it will not be stored; undefined: it will, as far as anybody knows by now. */
  readonly refusal: unknown;
  /** Is all of it here, and right? */
  readonly isVerified: boolean;
  /** Does a client wait for it? */
  readonly isWaitedFor: boolean;
  /** Does it wait for its turn at upstream? */
  readonly isQueued: boolean;
  /** Was it ended from here, whatever upstream would have given? */
  readonly isCancelled: boolean;
  /** Does it still ask upstream for what no client waits for? */
  readonly isAbandoned: boolean;
  readonly maxAbandoned: number;
  /** Is what is said of its size enough for others to give way? */
  readonly isBelieved: boolean;
  readonly progress: FillProgress;
  /** The blob as this repository sees it; as to its size before upstream's headers only what was known before. */
  infoFor(repository: RepositoryName): BlobInfo;
  isOwnedBy(repository: RepositoryName): boolean;
  /** Upstream has shown that this repository owns the blob too. `claimed`: the size that its manifests give, if they do. */
  own(repository: RepositoryName, claimed: number | undefined): Promise<void>;
  /** Can a reader still begin there? Once it is over its bytes may be gone. */
  canJoin(spec: RangeSpec | undefined): boolean;
  /** Takes a place, at once. Undefined: not possible any more. */
  join(place: Place): Seat | undefined;
  /** Ends it now: what came is left for the next one. */
  cancel(reason: unknown): void;
}
