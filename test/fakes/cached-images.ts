import assert from 'node:assert/strict';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import { ImagePruner } from '#src/retention/image-pruner.ts';
import { Pins } from '#src/retention/pins.ts';
import type { Removed, Selection } from '#src/retention/prune.ts';
import type { DiscardedContent } from '#src/storage/discarded-content.ts';
import { linkBlob, type Operation, putManifest, putTag, recordUses } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { FakeClock } from './fake-clock.ts';

function descriptor(text: string, mediaType = ociManifest): Descriptor {
  return { mediaType, digest: sha256(Buffer.from(text)), size: text.length };
}

/** A cache that is known by its texts: a manifest's or a blob's digest is that of its name. */
export class CachedImages implements AsyncDisposable {
  static readonly graceMs = 600_000;
  readonly clock = new FakeClock();
  /** Blobs and manifests whose files have gone. */
  readonly taken: string[] = [];
  readonly changed: Operation[] = [];
  readonly store: SqliteMetadataStore;
  readonly #texts = new Map<Digest, string>();
  readonly #pinned: readonly string[];

  constructor(pinned: readonly string[] = []) {
    this.#pinned = pinned;
    const discarded: DiscardedContent = {
      take: (digest) => {
        this.taken.push(this.text(digest));
        return 'taken';
      },
      restore: () => false,
    };
    this.store = SqliteMetadataStore.inMemory({ clock: this.clock, discarded });
  }

  text(digest: Digest): string {
    return this.#texts.get(digest) ?? assert.fail(digest);
  }

  digest(text: string): Digest {
    const { digest } = descriptor(text);
    this.#texts.set(digest, text);
    return digest;
  }

  #describe(text: string): Descriptor {
    return { ...descriptor(text), digest: this.digest(text) };
  }

  async image(
    owner: RepositoryName,
    text: string,
    blobs: readonly string[],
    tags: readonly string[] = [],
    subject?: string,
  ) {
    await this.#put(owner, text, tags, {
      blobs: blobs.map((blob) => this.#describe(blob)),
      ...(subject && { subject: this.digest(subject) }),
    });
    await this.store.change(blobs.map((blob) => linkBlob(owner, this.digest(blob), blob.length)));
  }

  async index(
    owner: RepositoryName,
    text: string,
    manifests: readonly string[],
    tags: readonly string[] = [],
  ) {
    await this.#put(owner, text, tags, { manifests: manifests.map((child) => this.#describe(child)) });
  }

  async #put(
    owner: RepositoryName,
    text: string,
    tags: readonly string[],
    named: { blobs?: Descriptor[]; manifests?: Descriptor[]; subject?: Digest },
  ) {
    const mediaType = named.manifests === undefined ? ociManifest : ociIndex;
    const its = { ...this.#describe(text), mediaType };
    await this.store.change([
      putManifest(owner, { descriptor: its, blobs: [], ...named }),
      ...tags.map((tag) =>
        putTag(owner, { tag: parseTag(tag), descriptor: its, checkedAt: this.clock.now() }),
      ),
    ]);
  }

  async used(owner: RepositoryName, text: string): Promise<void> {
    await this.store.change([
      recordUses([{ repository: owner, digest: this.digest(text), at: this.clock.now() }]),
    ]);
  }

  get parts() {
    return {
      ...{ graph: this.store.graph, metadata: this.store, clock: this.clock },
      graceMs: CachedImages.graceMs,
      pins: new Pins(this.#pinned),
      changed: (operations: readonly Operation[]) => void this.changed.push(...operations),
    };
  }

  passes(ms: number): void {
    this.clock.set(this.clock.now() + ms);
  }

  async prune(selection: Selection, dryRun = false): Promise<readonly Removed[]> {
    return await Array.fromAsync(new ImagePruner(this.parts).prune(selection, { dryRun }));
  }

  /** The names of what is left. */
  async left(): Promise<string[]> {
    const images = await this.store.inventory.images({ limit: 500 });
    return images.map(({ descriptor: { digest } }) => this.text(digest)).toSorted();
  }

  async here(): Promise<string[]> {
    const all = [...this.#texts].map(async ([digest, text]) =>
      (await this.store.graph.content(digest))?.storedAt === undefined ? [] : [text],
    );
    return (await Promise.all(all)).flat().toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
  }
}
