import { LRUCache } from 'lru-cache';
import { contentKey, type RepositoryName, type Tag } from '../oci/reference.ts';
import type { ImageGraph, ImageNode, LeadingTag } from '../storage/image-graph.ts';
import type { Pins } from './pins.ts';
import type { Selection } from './prune.ts';

/** Of so many repositories it is remembered which tags came last. */
const maxRepositories = 1000;

/** What of an image a selection means, by its names. */
export class ChosenTags {
  readonly #selection: Selection;
  readonly #graph: ImageGraph;
  readonly #pins: Pins;
  readonly #newest = new LRUCache<RepositoryName, ReadonlySet<Tag>>({ max: maxRepositories });

  constructor(selection: Selection, graph: ImageGraph, pins: Pins) {
    this.#selection = selection;
    this.#graph = graph;
    this.#pins = pins;
  }

  /** Its tags that go; none: it has none and goes all the same. Undefined: nothing of it is meant. */
  async of(node: ImageNode): Promise<readonly Tag[] | undefined> {
    const { repository, digest, tags } = node;
    if (!this.#isOldEnough(node)) return undefined;
    if (tags.length === 0) {
      const isMeant = this.#matches(contentKey(repository, digest)) && !this.#pins.has(node);
      return isMeant ? [] : undefined;
    }
    const kept = await this.#keptOf(repository);
    const isMeant = (each: LeadingTag): boolean =>
      this.#matches(`${repository}:${each.tag}`) &&
      !kept.has(each.tag) &&
      !this.#pins.hasTag(repository, each);
    const chosen = tags.filter(isMeant).map(({ tag }) => tag);
    return chosen.length === 0 ? undefined : chosen;
  }

  #matches(name: string): boolean {
    return this.#selection.matches?.(name) ?? true;
  }

  #isOldEnough({ createdAt, usedAt }: ImageNode): boolean {
    const { createdBefore = Number.POSITIVE_INFINITY, notUsedSince = Number.POSITIVE_INFINITY } =
      this.#selection;
    return createdAt < createdBefore && usedAt <= notUsedSince;
  }

  async #keptOf(repository: RepositoryName): Promise<ReadonlySet<Tag>> {
    const { keep = 0 } = this.#selection;
    const known = this.#newest.get(repository);
    if (known !== undefined) return known;
    const newest = new Set(keep === 0 ? [] : await this.#graph.newestTags(repository, keep));
    this.#newest.set(repository, newest);
    return newest;
  }
}
