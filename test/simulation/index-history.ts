import type { Digest, RepositoryName, Tag } from '#src/oci/reference.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import type { Operation } from '#src/storage/operation.ts';

/** What the index said from then on; undefined: nothing. In fake milliseconds. */
interface Said {
  readonly digest: Digest | undefined;
  readonly since: number;
}

type Name = { readonly repository: RepositoryName } & ({ readonly tag: Tag } | { readonly digest: Digest });

/** Where tags pointed in the index, and which manifests were there, over all lives and processes. */
export class IndexHistory {
  readonly #said = new Map<string, Said[]>();
  readonly #names = new Map<string, Name>();
  readonly #tags = new Map<RepositoryName, Set<Tag>>();

  /** These were done by this store. */
  async note(operations: readonly Operation[], store: MetadataStore, time: number): Promise<void> {
    for (const operation of operations)
      for (const name of this.#namesOf(operation)) await this.#ask(name, store, time);
  }

  /** What was written last may be lost with the power: then the index says again what it said before. */
  async noteAll(store: MetadataStore, time: number): Promise<void> {
    for (const name of this.#names.values()) await this.#ask(name, store, time);
  }

  async #ask(name: Name, store: MetadataStore, time: number): Promise<void> {
    const { repository } = name;
    const digest =
      'tag' in name
        ? (await store.getTag(repository, name.tag))?.descriptor.digest
        : (await store.getManifest(repository, name.digest))?.digest;
    this.#names.set(keyOf(name), name);
    this.#add(keyOf(name), { digest, since: time });
  }

  /** Since when the index does not say this any more; undefined: it says it, or has never done so. */
  outdatedSince(name: Name, digest: Digest): number | undefined {
    const said = this.#said.get(keyOf(name)) ?? [];
    const last = said.findLastIndex((each) => each.digest === digest);
    return last === -1 ? undefined : said[last + 1]?.since;
  }

  #add(key: string, next: Said): void {
    const said = this.#said.get(key) ?? [];
    if (said.at(-1)?.digest !== next.digest || said.length === 0) said.push(next);
    this.#said.set(key, said);
  }

  #namesOf(operation: Operation): Name[] {
    switch (operation.kind) {
      case 'put tag': {
        const { repository, record } = operation;
        this.#tagsOf(repository).add(record.tag);
        return [{ repository, tag: record.tag }];
      }
      case 'remove tag':
        return [{ repository: operation.repository, tag: operation.tag }];
      case 'put manifest':
        return [{ repository: operation.repository, digest: operation.manifest.descriptor.digest }];
      case 'drop manifest':
      case 'remove manifest': {
        const { repository, digest } = operation;
        return [{ repository, digest }, ...[...this.#tagsOf(repository)].map((tag) => ({ repository, tag }))];
      }
      default:
        return [];
    }
  }

  #tagsOf(repository: RepositoryName): Set<Tag> {
    const tags = this.#tags.get(repository) ?? new Set();
    this.#tags.set(repository, tags);
    return tags;
  }
}

function keyOf(name: Name): string {
  return 'tag' in name ? `${name.repository}:${name.tag}` : `${name.repository}@${name.digest}`;
}
