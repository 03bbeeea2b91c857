import type { HostedParts } from '#src/hosted/hosted-parts.ts';
import { HostedRules, type HostedSettings } from '#src/hosted/hosted-rules.ts';
import { openPushes } from '#src/hosted/open-hosted.ts';
import { UploadRooms } from '#src/hosted/upload-rooms.ts';
import { sweepUploads } from '#src/hosted/upload-sweep.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import type { Pushes, SentBytes } from '#src/oci/pushes.ts';
import {
  type Digest,
  hostedHost,
  parseTag,
  type RepositoryName,
  repositoryName,
} from '#src/oci/reference.ts';
import { sweepLeaving } from '#src/retention/leaving-sweep.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import type { Operation } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { unlimitedRoom } from '#src/storage/store-room.ts';
import { FakeClock } from './fake-clock.ts';

export const app: RepositoryName = repositoryName(hostedHost, 'test/app');
/** What comes is left alone for so long. Milliseconds. */
const graceMs = 10 * 60_000;

export function sent(...chunks: readonly Uint8Array[]): SentBytes {
  return {
    chunks: (async function* () {
      yield* chunks;
    })(),
  };
}

/** What clients change, over stores in memory, with time in the test's hand. */
export class HostedUnderTest implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly content = new MemoryBlobStore({ clock: this.clock });
  readonly metadata: SqliteMetadataStore = SqliteMetadataStore.inMemory({
    clock: this.clock,
    discarded: {
      take: (digest) => {
        void this.content.delete(digest);
        return 'taken';
      },
      restore: () => false,
    },
  });
  /** In order. */
  readonly told: Operation['kind'][] = [];
  readonly parts: HostedParts;
  readonly pushes: Pushes;
  #ids = 0;

  constructor(settings: Partial<HostedSettings> = {}, parts: Partial<HostedParts> = {}) {
    const { clock, content, metadata } = this;
    this.parts = {
      rules: new HostedRules([
        { repositories: ['test/**'], open: true, immutableTags: [], uploadExpiry: 86_400_000, ...settings },
      ]),
      ...{ clock, content, metadata, graph: metadata.graph, spools: content, uploads: content.uploads },
      room: unlimitedRoom,
      uploadRooms: new UploadRooms(parts.room ?? unlimitedRoom),
      told: (operations) => this.told.push(...operations.map(({ kind }) => kind)),
      randomHex: (bytes) => (this.#ids++).toString(16).padStart(2 * bytes, '0'),
      ...parts,
    };
    this.pushes = openPushes(this.parts);
  }

  /** In one go; its digest. */
  async blob(text: string, repository = app): Promise<Digest> {
    const bytes = Buffer.from(text);
    return (await this.pushes.putBlob(repository, sha256(bytes), sent(bytes))).digest;
  }

  /** A manifest of these blobs, which are there. */
  async manifest(tag: string, blobs: readonly Digest[], repository = app): Promise<Digest> {
    const layers = blobs.map((digest) => ({ mediaType: 'application/x', digest, size: 1 }));
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, tag, layers }));
    const manifest = { bytes, contentType: ociManifest, tags: [] };
    return (await this.pushes.putManifest(repository, parseTag(tag), manifest)).descriptor.digest;
  }

  async isHere(digest: Digest): Promise<boolean> {
    return (await this.content.stat(digest)) !== undefined;
  }

  /** Time passes, and what servers remove now and then is removed. */
  async sweep(passedMs: number): Promise<void> {
    const { clock, metadata } = this;
    await clock.advance(passedMs);
    const discarded = { list: async () => [], remove: async () => true, frees: async () => 0 };
    await sweepLeaving({
      metadata,
      graph: metadata.graph,
      clock,
      graceMs,
      discarded,
      changed: this.parts.told,
    });
    await sweepUploads(this.parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.metadata[Symbol.asyncDispose]();
  }
}
