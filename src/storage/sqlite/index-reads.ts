import { setImmediate } from 'node:timers/promises';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/reference.ts';
import type { TagPage } from '../metadata-store.ts';
import type { ListingRecord, TagRecord } from '../records.ts';
import { sliceRows } from './slices.ts';
import { descriptorOf, listOf, type prepareReads, tagOf } from './statements.ts';

/** Of so many manifests that name a blob the newest are found: all of an empty config's would be too many to sort. */
const maxConsidered = 200;

/** In one go: each has its annotations. */
const referrersAtOnce = 100;

/** Statements that differ between schemas in their text alone. */
type CommonReads = Pick<
  ReturnType<typeof prepareReads>,
  | 'getManifest'
  | 'getTag'
  | 'listTags'
  | 'listReferrers'
  | 'getTagList'
  | 'getReferrersList'
  | 'hasBlob'
  | 'listManifestsOf'
>;

/** What is read of an index in the same way whichever its schema is. */
export abstract class IndexReads {
  readonly #reads: CommonReads;

  protected constructor(reads: CommonReads) {
    this.#reads = reads;
  }

  async getManifest(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined> {
    const row = this.#reads.getManifest.get(repository, digest);
    return row === undefined ? undefined : descriptorOf(row);
  }

  async getTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined> {
    const row = this.#reads.getTag.get(repository, tag);
    return row === undefined ? undefined : tagOf(row);
  }

  async listTags(
    repository: RepositoryName,
    { last = '', limit = Number.POSITIVE_INFINITY }: TagPage = {},
  ): Promise<readonly Tag[]> {
    const tags: Tag[] = [];
    for (;;) {
      const wanted = Math.min(sliceRows, limit - tags.length);
      const rows = this.#reads.listTags.all(repository, tags.at(-1) ?? last, wanted);
      for (const { tag } of rows) tags.push(tag as Tag);
      if (rows.length < wanted || tags.length >= limit) return tags;
      await setImmediate();
    }
  }

  async listReferrers(repository: RepositoryName, digest: Digest): Promise<readonly Descriptor[]> {
    const referrers: Descriptor[] = [];
    for (;;) {
      const last = referrers.at(-1)?.digest ?? '';
      const rows = this.#reads.listReferrers.all(repository, digest, last, referrersAtOnce);
      for (const row of rows) referrers.push(descriptorOf(row));
      if (rows.length < referrersAtOnce) break;
      await setImmediate();
    }
    return referrers.toSorted((one, other) => (one.digest < other.digest ? -1 : 1));
  }

  async getTagList(repository: RepositoryName): Promise<ListingRecord<Tag> | undefined> {
    return await listOf<Tag>(this.#reads.getTagList.get(repository));
  }

  async getReferrersList(
    repository: RepositoryName,
    digest: Digest,
  ): Promise<ListingRecord<Descriptor> | undefined> {
    return await listOf<Descriptor>(this.#reads.getReferrersList.get(repository, digest));
  }

  async hasBlob(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#reads.hasBlob.get(digest, repository) !== undefined;
  }

  async listManifestsOf(
    repository: RepositoryName,
    digest: Digest,
    limit: number,
  ): Promise<readonly Digest[]> {
    const rows = this.#reads.listManifestsOf.all(digest, repository, maxConsidered, limit);
    return rows.map((row) => row.digest as Digest);
  }
}
