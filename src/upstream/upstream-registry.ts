import { type Clock, systemClock } from '../base/clock.ts';
import type { OnOddity } from '../net/oddity.ts';
import type { Transport } from '../net/transport.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest, Reference, RepositoryName } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  Manifest,
  ReferrersList,
  Registry,
  ResolveBlobOptions,
  ResolveManifestOptions,
  TagList,
  TagListOptions,
} from '../oci/registry.ts';
import { UpstreamBlobs } from './upstream-blobs.ts';
import { UpstreamManifests } from './upstream-manifests.ts';
import { UpstreamReferrers } from './upstream-referrers.ts';
import { type MirrorPlace, UpstreamSession } from './upstream-session.ts';
import { UpstreamTags } from './upstream-tags.ts';

export interface UpstreamRegistrySettings {
  /** Where the API is; the path is not used. */
  readonly origin: URL;
  readonly transport: Transport;
  readonly clock?: Clock | undefined;
  readonly onOddity?: OnOddity | undefined;
  /** Default: its repositories are its own. */
  readonly mirror?: MirrorPlace | undefined;
}

/**
 * A registry over HTTP. The host in front of a repository's name is not looked at: the origin decides. Manifests
 * are verified; the bytes of a blob are not, because whoever keeps them hashes them anyway.
 */
export class UpstreamRegistry implements Registry {
  readonly #manifests: UpstreamManifests;
  readonly #blobs: UpstreamBlobs;
  readonly #tags: UpstreamTags;
  readonly #referrers: UpstreamReferrers;
  readonly #session: UpstreamSession;

  constructor(settings: UpstreamRegistrySettings) {
    const { clock = systemClock, onOddity = () => {} } = settings;
    const session = new UpstreamSession({ ...settings, clock, onOddity });
    this.#session = session;
    this.#manifests = new UpstreamManifests(session);
    this.#blobs = new UpstreamBlobs(session);
    this.#tags = new UpstreamTags(session);
    this.#referrers = new UpstreamReferrers(session, this.#manifests);
  }

  /**
   * Is there a registry, and does it take us for who we say we are? `GET /v2/` (distribution-spec "Determining Support").
   * Throws NAME_UNKNOWN where there is no such API, else as the others.
   */
  async ping({ signal }: CallOptions = {}): Promise<void> {
    const line = this.#session.line({ kind: 'version', method: 'GET' });
    await using response = await this.#session.send({ ...line, repository: undefined, signal });
    if (response.status !== 200) throw await this.#session.error(response, 'NAME_UNKNOWN');
  }

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options: ResolveManifestOptions = {},
  ): Promise<Descriptor> {
    const descriptor = await this.#manifests.resolve(repository, reference, options);
    options.report?.({ kind: 'miss' });
    return descriptor;
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options: CallOptions = {},
  ): Promise<Manifest> {
    const manifest = await this.#manifests.get(repository, reference, options);
    options.report?.({ kind: 'miss' });
    return manifest;
  }

  async resolveBlob(
    repository: RepositoryName,
    digest: Digest,
    options: ResolveBlobOptions = {},
  ): Promise<BlobInfo> {
    const info = await this.#blobs.resolve(repository, digest, options);
    options.report?.({ kind: 'miss' });
    return info;
  }

  async getBlob(repository: RepositoryName, digest: Digest, options: BlobOptions = {}): Promise<BlobReader> {
    const reader = await this.#blobs.get(repository, digest, options);
    options.report?.({ kind: 'miss' });
    return reader;
  }

  async listTags(repository: RepositoryName, options: TagListOptions = {}): Promise<TagList> {
    const list = await this.#tags.list(repository, options);
    options.report?.({ kind: 'miss' });
    return list;
  }

  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options: CallOptions = {},
  ): Promise<ReferrersList> {
    const list = await this.#referrers.list(repository, digest, options);
    options.report?.({ kind: 'miss' });
    return list;
  }
}
