import type { ClientRequest } from '../oci/client-request.ts';
import { RegistryError } from '../oci/error.ts';
import { type Digest, type RepositoryName, shownName, type Tag } from '../oci/reference.ts';
import { StoreFullError } from '../storage/content-store.ts';
import type { ImageGraph, ImageNode } from '../storage/image-graph.ts';
import { disownBlob, removeManifest, removeTag, requireUnled } from '../storage/operation.ts';
import { StillNamedError } from '../storage/requirements.ts';
import { eventsOf } from './hosted-events.ts';
import { changed, type HostedParts } from './hosted-parts.ts';
import type { HostedRule } from './hosted-rules.ts';

/** Tags may come while they are removed; so often it is looked again. */
const maxLooks = 100;
/** In one transaction. */
const tagsAtOnce = 90;

/** What clients take away. What is left of it that nothing needs goes by itself, later. */
export class Deletions {
  readonly #parts: HostedParts;

  constructor(parts: HostedParts) {
    this.#parts = parts;
  }

  async tag(repository: RepositoryName, tag: Tag, by?: ClientRequest): Promise<void> {
    const rule = this.#parts.rules.open(repository);
    const there = await this.#parts.metadata.getTag(repository, tag);
    if (there === undefined) throw noManifest(repository, tag);
    const { digest } = there.descriptor;
    const node = await this.#graph.node(repository, digest);
    this.#checkTags({ tags: node?.tags.filter((each) => each.tag === tag) ?? [] }, rule);
    const events = eventsOf(by, this.#parts, { kind: 'delete', repository, tag });
    await changed(this.#parts, [removeTag(repository, tag, digest)], events);
  }

  async manifest(repository: RepositoryName, digest: Digest, by?: ClientRequest): Promise<void> {
    const rule = this.#parts.rules.open(repository);
    if ((await this.#graph.node(repository, digest)) === undefined) throw noManifest(repository, digest);
    for (let look = 0; look < maxLooks; look += 1) {
      const node = await this.#graph.node(repository, digest);
      if (node === undefined) return;
      this.#checkTags(node, rule);
      if (await this.#removed(node, by)) return;
    }
    throw new RegistryError('UNAVAILABLE', 'it is tagged again and again', { status: 503 });
  }

  async blob(repository: RepositoryName, digest: Digest, by?: ClientRequest): Promise<void> {
    const { rules, metadata } = this.#parts;
    rules.open(repository);
    if (!(await metadata.hasBlob(repository, digest)))
      throw new RegistryError('BLOB_UNKNOWN', `${shownName(repository)} has no blob ${digest}`);
    try {
      const events = eventsOf(by, this.#parts, { kind: 'delete', repository, digest });
      await changed(this.#parts, [disownBlob(repository, digest)], events);
    } catch (error) {
      if (error instanceof StillNamedError) throw needed('a manifest names this blob');
      throw error;
    }
  }

  get #graph(): ImageGraph {
    const { graph } = this.#parts;
    if (graph === undefined) throw new StoreFullError('there is no room for the index');
    return graph;
  }

  /** With the last of its tags; false: there were more, or others have come. Of what an index names no tag goes either. */
  async #removed({ repository, digest, tags }: ImageNode, by: ClientRequest | undefined): Promise<boolean> {
    const removals = tags.slice(0, tagsAtOnce).map(({ tag }) => removeTag(repository, tag, digest));
    const isLast = tags.length <= tagsAtOnce;
    const rest = isLast
      ? [requireUnled(repository, digest), removeManifest(repository, digest)]
      : [requireUnled(repository, digest, 'indexes')];
    const events = isLast ? eventsOf(by, this.#parts, { kind: 'delete', repository, digest }) : [];
    try {
      await changed(this.#parts, [...removals, ...rest], events);
      return isLast;
    } catch (error) {
      if (!(error instanceof StillNamedError)) throw error;
      if (error.by === 'manifest') throw needed('an index names this manifest');
      return false;
    }
  }

  /** A tag that never moves would move by going and coming again. */
  #checkTags({ tags }: Pick<ImageNode, 'tags'>, { isImmutable }: HostedRule): void {
    const immutable = tags.find(({ tag }) => isImmutable(tag));
    if (immutable !== undefined)
      throw new RegistryError('DENIED', `the tag ${immutable.tag} is immutable: it is not removed`);
    const pinned = tags.find(({ isPinned }) => isPinned);
    if (pinned !== undefined)
      throw new RegistryError('DENIED', `the tag ${pinned.tag} is pinned: it is removed when it is not`);
  }
}

function noManifest(repository: RepositoryName, reference: Tag | Digest): RegistryError {
  return new RegistryError('MANIFEST_UNKNOWN', `${shownName(repository)} has no manifest ${reference}`);
}

function needed(why: string): RegistryError {
  return new RegistryError('UNSUPPORTED', `${why}: delete that first`, { headers: { Allow: 'GET, HEAD' } });
}
