import { type NameGlob, nameGlob } from '../oci/name-glob.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { ImageNode, LeadingTag } from '../storage/image-graph.ts';

/** What nobody removes: what the configuration's globs match, and tags that somebody has pinned. */
export class Pins {
  readonly #globs: readonly NameGlob[];

  constructor(patterns: readonly string[]) {
    this.#globs = patterns.map(nameGlob);
  }

  hasTag(repository: RepositoryName, { tag, isPinned }: LeadingTag): boolean {
    return isPinned || this.#globs.some((glob) => glob(repository, tag));
  }

  /** An image is pinned as a whole by any of its tags, and without a tag by its repository. */
  has({ repository, tags }: Pick<ImageNode, 'repository' | 'tags'>): boolean {
    return tags.length === 0
      ? this.#globs.some((glob) => glob(repository, undefined))
      : tags.some((tag) => this.hasTag(repository, tag));
  }
}
