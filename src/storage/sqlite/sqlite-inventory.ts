import type { Database } from 'better-sqlite3';
import { type Clock, systemClock } from '../../base/clock.ts';
import { Turns } from '../../base/turns.ts';
import type { Digest, RegistryHost, RepositoryName, Tag } from '../../oci/reference.ts';
import type { ImageCursor, Inventory, MissCursor } from '../inventory.ts';
import type { AllTotals, BlobRecord, ImageRecord, Miss, Origin, Totals } from '../records.ts';
import { FreedBytes } from './freed-bytes.ts';
import { rowsBySlices } from './slices.ts';
import { SqliteMisses } from './sqlite-misses.ts';
import { type DescriptorRow, descriptorOf, type NamedRow, preparing } from './statements.ts';

interface TotalsRow {
  readonly host: string;
  readonly manifests: number;
  readonly manifest_bytes: number;
  readonly blobs: number;
  readonly blob_bytes: number;
}

interface ImageRow extends DescriptorRow {
  readonly repository: number;
  readonly content: number;
  readonly origin: Origin;
  readonly created_at: number;
  readonly used_at: number;
}

interface PinnableTagRow {
  readonly tag: Tag;
  readonly pinned: number;
}

interface BlobRow {
  readonly digest: string;
  readonly size: number | null;
  readonly is_blob: 0 | 1;
  readonly count: number;
}

interface ChildRow {
  readonly child: number;
  readonly size: number;
  readonly is_manifest: 0 | 1;
}

/** Of one image so many tags are read in one go. */
const tagsAtOnce = 500;
/** Of what an image leads to so many rows are read: an index of a thousand platforms, each of a thousand layers, is nothing that anybody runs. */
const maxCounted = 20_000;
/** Read in one go: each is counted. */
const blobRows = 50;
/** Of one blob so many manifests that name it are counted. */
const maxReferences = 5000;

const nothing: Totals = { manifests: 0, manifestBytes: 0, blobs: 0, blobBytes: 0 };

export class SqliteInventory implements Inventory {
  readonly #statements: ReturnType<typeof prepareInventory>;
  readonly #misses: SqliteMisses | undefined;
  readonly #freed: FreedBytes;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock = systemClock) {
    this.#statements = prepareInventory(database);
    this.#misses = SqliteMisses.of(database);
    this.#freed = new FreedBytes(database);
    this.#clock = clock;
  }

  async totals(): Promise<AllTotals> {
    const all = new Map(this.#statements.totals.all().map((row) => [row.host, totalsOf(row)]));
    const together = all.get('') ?? nothing;
    all.delete('');
    return { ...together, registries: all as Map<RegistryHost, Totals> };
  }

  async images({
    after,
    only,
    limit,
    weighs = false,
  }: {
    after?: ImageCursor | undefined;
    only?: RepositoryName | undefined;
    limit: number;
    weighs?: boolean;
  }): Promise<readonly ImageRecord[]> {
    const turns = new Turns(this.#clock);
    const images: ImageRecord[] = [];
    const first = after === undefined ? 0 : this.#contentId(after.digest);
    for (const { id, name } of this.#repositoriesFrom(after?.repository ?? only ?? '')) {
      if (only !== undefined && name !== only) break;
      const behind = name === after?.repository ? first : 0;
      for (const row of this.#statements.images.all(id, behind, limit - images.length)) {
        images.push(await this.#imageOf(name as RepositoryName, row, weighs, turns));
        if (turns.isOver) await turns.pass();
      }
      if (images.length === limit) break;
      if (turns.isOver) await turns.pass();
    }
    return images;
  }

  #repositoriesFrom(first: string): Iterable<NamedRow> {
    return rowsBySlices((last, limit) =>
      this.#statements.repositories.all(last === undefined ? first : `${last.name}\0`, limit),
    );
  }

  /** Most of what has a digest may be no blob: so many rows are looked at in one go. */
  async blobs({
    after,
    limit,
  }: {
    after?: Digest | undefined;
    limit: number;
  }): Promise<readonly BlobRecord[]> {
    const turns = new Turns(this.#clock);
    const found: BlobRecord[] = [];
    for (let last: string | undefined = after ?? ''; last !== undefined && found.length < limit; ) {
      const rows: readonly BlobRow[] = this.#statements.blobs.all(maxReferences, last, blobRows);
      found.push(...rows.filter(({ is_blob }) => is_blob === 1).map(blobOf));
      last = rows[blobRows - 1]?.digest;
      if (turns.isOver) await turns.pass();
    }
    return found.slice(0, limit);
  }

  async misses({
    after,
    limit,
  }: {
    after?: MissCursor | undefined;
    limit: number;
  }): Promise<readonly Miss[]> {
    if (this.#misses === undefined) return [];
    const turns = new Turns(this.#clock);
    const found: Miss[] = [];
    let at = after;
    do {
      const { misses, next } = this.#misses.slice(at);
      found.push(...misses);
      at = next;
      if (turns.isOver) await turns.pass();
    } while (at !== undefined && found.length < limit);
    return found.slice(0, limit);
  }

  #contentId(digest: Digest): number {
    return this.#statements.content.get(digest)?.id ?? 0;
  }

  async #imageOf(name: RepositoryName, row: ImageRow, weighs: boolean, turns: Turns): Promise<ImageRecord> {
    const { repository, content } = row;
    const tags = await this.#tagsOf(repository, content, turns);
    return {
      repository: name,
      descriptor: descriptorOf(row),
      tags: tags.map(({ tag }) => tag),
      pinned: new Set(tags.filter(({ pinned }) => pinned !== 0).map(({ tag }) => tag)),
      ...(weighs && { frees: await this.#freed.of(repository, content, turns) }),
      totalSize: row.size + (await this.#sizeBelow(repository, content, turns)),
      missing: this.#statements.missing.get(repository, content)?.count ?? 0,
      origin: row.origin,
      createdAt: row.created_at,
      usedAt: row.used_at,
    };
  }

  /** Whatever is built every hour may be tagged ten thousand times. */
  async #tagsOf(repository: number, content: number, turns: Turns): Promise<readonly PinnableTagRow[]> {
    const tags: PinnableTagRow[] = [];
    for (;;) {
      const rows = this.#statements.tags.all(repository, content, tags.at(-1)?.tag ?? '', tagsAtOnce);
      tags.push(...rows);
      if (rows.length < tagsAtOnce) return tags;
      if (turns.isOver) await turns.pass();
    }
  }

  /** Of all that a manifest leads to, each thing once and as large as the greatest claim. */
  async #sizeBelow(repository: number, content: number, turns: Turns): Promise<number> {
    const sizes = new Map([[content, 0]]);
    const manifests = [content];
    let left = maxCounted;
    // It grows meanwhile.
    for (const manifest of manifests) {
      const children = this.#statements.children.all(repository, manifest, left);
      for (const { child, size, is_manifest } of children) {
        if (is_manifest === 1 && !sizes.has(child)) manifests.push(child);
        sizes.set(child, Math.max(size, sizes.get(child) ?? 0));
      }
      left -= children.length;
      if (left <= 0) break;
      if (turns.isOver) await turns.pass();
    }
    return sizes.values().reduce((sum, size) => sum + size, 0);
  }
}

function blobOf({ digest, size, count }: BlobRow): BlobRecord {
  return { digest: digest as Digest, size: size ?? undefined, references: count };
}

function totalsOf({ manifests, manifest_bytes, blobs, blob_bytes }: TotalsRow): Totals {
  return { manifests, manifestBytes: manifest_bytes, blobs, blobBytes: blob_bytes };
}

/** What the inventory reads: pages, and of each image what it has. */
export function prepareInventory(database: Database) {
  const prepared = preparing(database);
  return {
    totals: prepared<[], TotalsRow>('select * from totals'),
    repositories: prepared<[string, number], NamedRow>(
      'select id, name from repositories where name >= ? order by name limit ?',
    ),
    repository: prepared<[string], { id: number }>('select id from repositories where name = ?'),
    content: prepared<[string], { id: number }>('select id from contents where digest = ?'),
    images: prepared<[number, number, number], ImageRow>(
      `select m.repository, m.content, m.origin, m.created_at, m.used_at,
         c.digest, m.media_type, m.size, m.artifact_type, null as annotations
       from manifests m join contents c on c.id = m.content
       where m.repository = ? and m.content > ? order by m.content limit ?`,
    ),
    tags: prepared<[number, number, string, number], PinnableTagRow>(
      'select tag, pinned from tags where repository = ? and manifest = ? and tag > ? order by tag limit ?',
    ),
    children: prepared<[number, number, number], ChildRow>(
      'select child, size, is_manifest from children where repository = ? and manifest = ? limit ?',
    ),
    missing: prepared<[number, number], { count: number }>(
      `select count(*) as count from children k join wanted w on w.content = k.child and w.repository = k.repository
       where k.repository = ? and k.manifest = ? and k.is_manifest = 0`,
    ),
    /** Somebody owns a blob; a manifest is nobody's. */
    blobs: prepared<[number, string, number], BlobRow>(
      `select page.digest, page.size,
         page.stored_at is not null and exists (select 1 from links l where l.content = page.id) as is_blob,
         (select count(*) from (
           select 1 from children k where k.child = page.id and k.is_manifest = 0 limit ?)) as count
       from (select * from contents where digest > ? order by digest limit ?) page
       order by page.digest`,
    ),
  };
}
