import type { ClientRequest } from './client-request.ts';
import type { Descriptor } from './descriptor.ts';
import type { Digest, Reference, RepositoryName, Tag } from './reference.ts';

/** What a client has begun to send of a blob: `size` bytes have come. */
export interface UploadState {
  readonly id: string;
  readonly size: number;
}

/** As clients are told how much has come (distribution-spec, `Range`): of nothing too, as others say it. */
export function uploadRange({ size }: Pick<UploadState, 'size'>): string {
  return `0-${Math.max(0, size - 1)}`;
}

/** Some bytes of a blob, as they come. */
export interface SentBytes {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** How many there will be, as far as the client says. */
  readonly length?: number | undefined;
  /** Where they begin, by the client's word; undefined: behind what has come. */
  readonly at?: number | undefined;
  /** Told of chunks that were used, whose memory is then for others. Default: it is whoever's it was. */
  readonly used?: ((chunks: readonly Uint8Array[]) => void) | undefined;
}

export interface SentManifest {
  readonly bytes: Uint8Array;
  /** The header that came with it. */
  readonly contentType: string | undefined;
  /** By a digest alone it may be sent for tags of its own. */
  readonly tags: readonly Tag[];
}

export interface PushedManifest {
  readonly descriptor: Descriptor;
  /** What it refers to, be that there or not. */
  readonly subject: Digest | undefined;
}

/**
 * What clients change in repositories that live here (distribution-spec, "Push" and "Content Management"). What has settled survives the end of the
 * process, and a power cut.
 *
 * `by`: whose request it is, for those who are told of it: what has settled they will be told, whatever becomes of the process. Default: nobody is.
 *
 * Besides what is named at each method every one throws UNSUPPORTED for a repository that does not live here, DENIED for one that is not open to
 * this, and UNAVAILABLE (503, 507) where it cannot be stored.
 */
export interface Pushes {
  /** Throws TOOMANYREQUESTS where too many are open. */
  beginUpload(repository: RepositoryName): Promise<UploadState>;
  /** Throws BLOB_UPLOAD_UNKNOWN. */
  uploadState(repository: RepositoryName, id: string): Promise<UploadState>;
  /**
   * What came of a client that has left stays. Throws BLOB_UPLOAD_UNKNOWN, RANGE_INVALID (416, with a Range of what is there) for what does not begin behind it,
   * SIZE_INVALID for another length than was said: then, and where there is no room (507), the upload is over and nothing of it is kept. And
   * BLOB_UPLOAD_INVALID (409) while another request writes to it.
   */
  append(repository: RepositoryName, id: string, bytes: SentBytes): Promise<UploadState>;
  /**
   * The last bytes, if any, and then it is a blob. Throws as {@link append}, and DIGEST_INVALID: then nothing of it is kept.
   */
  commit(
    repository: RepositoryName,
    id: string,
    digest: Digest,
    bytes: SentBytes | undefined,
    by?: ClientRequest,
  ): Promise<Descriptor>;
  /** Throws BLOB_UPLOAD_UNKNOWN, BLOB_UPLOAD_INVALID. */
  cancel(repository: RepositoryName, id: string): Promise<void>;
  /** All of a blob in one go. Throws DIGEST_INVALID, SIZE_INVALID, RANGE_INVALID. */
  putBlob(
    repository: RepositoryName,
    digest: Digest,
    bytes: SentBytes,
    by?: ClientRequest,
  ): Promise<Descriptor>;
  /** What another repository has here it has too. Undefined: that has it not. */
  mount(
    repository: RepositoryName,
    digest: Digest,
    from: RepositoryName,
    by?: ClientRequest,
  ): Promise<Descriptor | undefined>;
  /**
   * Throws MANIFEST_INVALID, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN, DENIED (409) where a tag may not be moved, and UNAVAILABLE (503) where it may be, and
   * nobody knows yet where it points.
   */
  putManifest(
    repository: RepositoryName,
    reference: Reference,
    manifest: SentManifest,
    by?: ClientRequest,
  ): Promise<PushedManifest>;
  /** Throws MANIFEST_UNKNOWN, DENIED. */
  deleteTag(repository: RepositoryName, tag: Tag, by?: ClientRequest): Promise<void>;
  /** With its tags. Throws MANIFEST_UNKNOWN, DENIED, and UNSUPPORTED while an index names it. */
  deleteManifest(repository: RepositoryName, digest: Digest, by?: ClientRequest): Promise<void>;
  /** Throws BLOB_UNKNOWN, and UNSUPPORTED while a manifest names it. */
  deleteBlob(repository: RepositoryName, digest: Digest, by?: ClientRequest): Promise<void>;
}
