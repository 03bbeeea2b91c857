import type { Clock } from '../base/clock.ts';
import type { Tell } from '../observe/content-event.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { discardContent, dropManifest, type Operation, removeTag } from '../storage/operation.ts';
import type { Dropped, FreedContent, Hands } from './hands.ts';

/** In one transaction. */
const tagsAtOnce = 90;
/** Each has a file that is moved while the index is locked. */
const contentsAtOnce = 24;

export interface RemovalParts {
  readonly graph: ImageGraph;
  readonly metadata: MetadataStore;
  readonly clock: Clock;
  /** Bytes that came so short a time ago stay: they are on their way to be named. Milliseconds. */
  readonly graceMs: number;
  /** Told of what was changed, for whoever remembers what the index said. */
  readonly changed: (operations: readonly Operation[]) => void;
  /** Told of each manifest that has gone. Default: nobody is. */
  readonly tell?: Tell | undefined;
  /** May it be that images are here which the index does not know yet, since it is made anew? Then no bytes go: they may need them. Default: no. */
  readonly isBeingRestored?: (() => Promise<boolean>) | undefined;
}

/** Each look is taken again by the operation, in its transaction: what has come meanwhile stays. */
export class RemovingHands implements Hands {
  readonly #parts: RemovalParts;

  constructor(parts: RemovalParts) {
    this.#parts = parts;
  }

  async drop(repository: RepositoryName, digest: Digest, tags: readonly Tag[]): Promise<Dropped> {
    const { graph, tell, clock } = this.#parts;
    if ((await graph.node(repository, digest)) === undefined) return { isGone: false, tags: [] };
    const removals = tags.map((tag) => removeTag(repository, tag, digest));
    const rest = removals.length % tagsAtOnce;
    for (let at = 0; at + tagsAtOnce <= removals.length; at += tagsAtOnce)
      await this.#change(removals.slice(at, at + tagsAtOnce));
    // The last of them with the manifest, so that an image that has gone by name is gone.
    const last = rest === 0 ? [] : removals.slice(-rest);
    await this.#change([...last, dropManifest(repository, digest)]);
    if ((await graph.node(repository, digest)) !== undefined)
      return { isGone: false, tags: await this.#gone(repository, digest, tags) };
    tell?.({ kind: 'evict', at: clock.now(), repository, digest, tags });
    return { isGone: true, tags };
  }

  async #gone(repository: RepositoryName, digest: Digest, tags: readonly Tag[]): Promise<readonly Tag[]> {
    const gone: Tag[] = [];
    for (const tag of tags) {
      const record = await this.#parts.metadata.getTag(repository, tag);
      if (record?.descriptor.digest !== digest) gone.push(tag);
    }
    return gone;
  }

  /** What stays, since the index is made anew, goes with the next sweep behind that. */
  async discard(repository: RepositoryName, digests: readonly Digest[]): Promise<readonly FreedContent[]> {
    if ((await this.#parts.isBeingRestored?.()) === true) return [];
    const freed: FreedContent[] = [];
    for (let at = 0; at < digests.length; at += contentsAtOnce)
      freed.push(...(await this.#discardSome(repository, digests.slice(at, at + contentsAtOnce))));
    return freed;
  }

  async #discardSome(
    repository: RepositoryName,
    digests: readonly Digest[],
  ): Promise<readonly FreedContent[]> {
    const { clock, graceMs, graph } = this.#parts;
    const here = await this.#stored(digests);
    await this.#change([discardContent(repository, digests, clock.now() - graceMs)]);
    const left = await this.#stored(here);
    const gone = here.filter((digest) => !left.includes(digest));
    return await Promise.all(
      gone.map(async (digest) => ({ digest, size: (await graph.content(digest))?.size ?? 0 })),
    );
  }

  async #stored(digests: readonly Digest[]): Promise<readonly Digest[]> {
    const known = await Promise.all(digests.map(async (digest) => await this.#parts.graph.content(digest)));
    return digests.filter((_, at) => known[at]?.storedAt !== undefined);
  }

  async #change(operations: readonly Operation[]): Promise<void> {
    await this.#parts.metadata.change(operations);
    this.#parts.changed(operations);
  }
}
