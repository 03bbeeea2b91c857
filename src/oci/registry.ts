import type { Descriptor } from './descriptor.ts';
import type { ManifestContent } from './manifest.ts';
import type { Outcome } from './outcome.ts';
import type { Digest, Reference, RepositoryName, Tag } from './reference.ts';

/** A manifest or index, its bytes exactly as upstream sent them. */
export interface Manifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** What they say, where whoever gives them has read them: nobody else has to. */
  readonly content?: ManifestContent;
  /**
   * By tag only: the digest that upstream announced for it, where that is neither of these bytes nor to be had. Nothing vouches
   * for the tag then, and the descriptor has the digest of the bytes.
   */
  readonly contradicts?: Digest;
  /** Of a large one: whoever keeps it for long has a share. */
  readonly room?: AnswerRoom | undefined;
}

/** What is known of a blob without reading it. `size` is undefined when upstream did not say. */
export interface BlobInfo {
  readonly digest: Digest;
  readonly size: number | undefined;
  /** Was the digest found right already? Then the size is a fact; else it is what somebody claims. */
  readonly isVerified?: boolean;
}

/** Bytes `first` to `last`, both included, both within the blob. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** One range of a request, before the blob's size is known (RFC 9110 section 14.1.2). */
export type RangeSpec =
  | { readonly first: number; readonly last?: number | undefined }
  | { readonly suffix: number };

/**
 * An open blob. `body` is to be read once, in order; a chunk is valid until the next one is asked for, so that
 * a store may reuse its buffers. The body throws when it cannot be completed and never ends short; it reaches the
 * blob's last byte only when the digest was right. Disposing releases everything at once, read or not.
 */
export interface BlobReader extends BlobInfo, AsyncDisposable {
  /** The part that `body` carries; undefined is the whole blob. */
  readonly range: ByteRange | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  /** All that `body` carries, where it is in memory anyway and was verified. Nobody changes it, or needs to read `body` then. */
  readonly bytes?: Uint8Array;
  /** True: nobody writes to a chunk again, so that it stays valid for whoever keeps it. */
  readonly mayKeep?: boolean;
  /**
   * To be told by whoever found that it was not what the digest says, or its manifest: the next transfer begins elsewhere. Absent: there
   * is no other place.
   */
  readonly leavePlace?: () => void;
  /** The same of one that hardly gets on: where no other place gives the blob, this one is asked for it again. */
  readonly putOffPlace?: () => void;
  /** For how many milliseconds our own limits, and not who sends, have held it up so far. Absent: never. */
  readonly heldUpMs?: (() => number) | undefined;
  /** Where chunks may be kept: takes back what nobody reads any more, once, to receive into it again. Else it is garbage. */
  readonly giveBack?: ((chunk: Uint8Array) => void) | undefined;
}

/** Room in the memory of this process, that one answer takes while it is read and until it was sent to all who have a share of it. */
export interface AnswerRoom {
  /** Does it take so little that nobody needs a share? */
  readonly isSmall: boolean;
  /** What is here of it takes so many bytes. */
  readonly settled: number;
  share(): Disposable;
  /** Takes room for so many bytes beside what is here. False: there is none now. */
  cover(bytes: number): boolean;
  /** The same, and waits for its turn. False: there was none in time. Rejects with the signal's reason. */
  wait(bytes: number, signal?: AbortSignal): Promise<boolean>;
  /** What is here takes so many bytes, in all. */
  settle(bytes: number): void;
}

/** Of an answer that was given out of memory, at once and as a hit. */
export interface Standing {
  /** Would the same call be answered the same now, in the same way? To be asked anew each time: it looks in memory, and nobody waits for it. */
  readonly holds: () => boolean;
  /** It was given once more without a call, and counts as if there had been one. */
  readonly given: () => void;
}

export interface CallOptions {
  /** Ends the caller's waiting, never work that others share. */
  readonly signal?: AbortSignal | undefined;
  /** Told how the answer came about, at the latest when the method settles. The last word counts. */
  readonly report?: ((outcome: Outcome) => void) | undefined;
  /** Told where the answer may be given again without a call. */
  readonly stands?: ((standing: Standing) => void) | undefined;
  /** Nothing stale is of use: where upstream would have to be asked and cannot say, its error is thrown, and it has all its time to answer. */
  readonly neverStale?: boolean | undefined;
  /** By which the caller's request is known in the log. */
  readonly request?: string | undefined;
  /** What the answer is counted for. Absent: nobody keeps it for long. */
  readonly room?: AnswerRoom | undefined;
  /** Handed a share of a large answer's room, to be disposed of when it was sent. */
  readonly holds?: ((share: Disposable) => void) | undefined;
}

/** The place of a transfer among those that wait because no more may run at a time. */
export interface Turn {
  /** Does a client wait for it now? Then it comes before those for which none does. */
  readonly isUrgent: boolean;
  /** It is to take the place of one that runs and hardly gets on: it does not wait until that is over. */
  readonly standsIn?: boolean;
  /** Told when it begins to wait, and when it has its turn. */
  readonly waits?: (isWaiting: boolean) => void;
}

/** Which part of a list of tags is wanted (distribution-spec "Listing Tags"). */
export interface TagListOptions extends CallOptions {
  /** So many are enough, 1 or more; absent: all, as far as the bounds go of whoever reads them. */
  readonly n?: number | undefined;
  /** Only those behind this one, be it there or not. */
  readonly last?: string | undefined;
}

/** Why a list ends early though nobody asked for less: it `failed` in its middle, or has more than is read for one answer (`bounded`). */
export type Cut = 'failed' | 'bounded';

export interface TagList {
  /** Each once, in the registry's order: ASCII, where it keeps to the specification. May be more than `n`: what was read anyway. */
  readonly tags: readonly Tag[];
  /** More are behind the last one: to be had by its name as `last`. */
  readonly hasMore: boolean;
  readonly cut?: Cut | undefined;
}

export interface ReferrersList {
  readonly referrers: readonly Descriptor[];
  readonly cut?: Cut | undefined;
}

export interface BlobOptions extends CallOptions {
  /** Throws RANGE_INVALID (416, with a Content-Range of the size alone) when no byte of the blob is in it. */
  readonly range?: RangeSpec | undefined;
  /** The blob's, as far as the caller knows it. */
  readonly size?: number | undefined;
  /**
   * The caller goes on at `range.first`, where a transfer was cut, and takes whatever carries that byte: its reader's `range` may begin
   * before it (the whole: at 0) and end before the blob does; what lies behind `range.last` is not needed. Who asks again there has got nothing.
   */
  readonly resumes?: boolean;
  /** Nothing but just this range is of use: where upstream gives anything else this throws, and reads none of it. */
  readonly onlyPart?: boolean;
  /** Where transfers wait for their turn. Absent: in the order in which they came. */
  readonly turn?: Turn | undefined;
}

export interface ResolveManifestOptions extends CallOptions {
  /** Handed the manifest where it had to be read to be described, so that whoever keeps manifests need not ask again. */
  readonly take?: ((manifest: Manifest) => void) | undefined;
}

export interface ResolveBlobOptions extends CallOptions {
  /** The caller knows the size: nothing is asked only to learn it, and the answer may lack it. */
  readonly sizeKnown?: boolean | undefined;
}

/**
 * The system. Server, upstream client, cache, filter and memory are all this shape; a pull-through cache is a
 * server in front of a cache in front of a client (distribution-spec, "Pull" and "Content Discovery").
 *
 * Besides the codes named at each method every implementation may throw DENIED, TOOMANYREQUESTS (with
 * Retry-After where known) and UNAVAILABLE (502, 503 or 504), and the signal's reason once it is aborted.
 */
export interface Registry {
  /** Where it asks, in this order, the registry itself last; absent: it is one place. */
  readonly places?: readonly Registry[];
  /** Like HEAD. Throws MANIFEST_UNKNOWN, NAME_UNKNOWN. */
  resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: ResolveManifestOptions,
  ): Promise<Descriptor>;
  /** Throws MANIFEST_UNKNOWN, NAME_UNKNOWN. */
  getManifest(repository: RepositoryName, reference: Reference, options?: CallOptions): Promise<Manifest>;
  /** Like HEAD. Throws BLOB_UNKNOWN, NAME_UNKNOWN. */
  resolveBlob(repository: RepositoryName, digest: Digest, options?: ResolveBlobOptions): Promise<BlobInfo>;
  /** Throws BLOB_UNKNOWN, NAME_UNKNOWN, RANGE_INVALID. */
  getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader>;
  /** A list that is cut has what was read before; one that cannot be had at all is an error. Throws NAME_UNKNOWN. */
  listTags(repository: RepositoryName, options?: TagListOptions): Promise<TagList>;
  /** The manifests whose subject is `digest`. None is an empty list, by the registry's own word; where nobody has given it this is an error. */
  listReferrers(repository: RepositoryName, digest: Digest, options?: CallOptions): Promise<ReferrersList>;
}
