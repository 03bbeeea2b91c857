import type { Database } from 'better-sqlite3';
import type { Digest, RegistryHost, RepositoryName, Tag } from '../../oci/reference.ts';
import type { ImageCursor, Inventory } from '../inventory.ts';
import type { AllTotals, ImageRecord, Origin, Totals } from '../records.ts';
import { rowsBySlices } from './slices.ts';
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

/** Of one image. */
const maxTags = 500;
/** What an image leads to is counted so far: an index of a thousand platforms, each of a thousand layers, is nothing that anybody runs. */
const maxCounted = 20_000;

const nothing: Totals = { manifests: 0, manifestBytes: 0, blobs: 0, blobBytes: 0 };

export class SqliteInventory implements Inventory {
  readonly #statements: ReturnType<typeof prepareInventory>;

  constructor(database: Database) {
    this.#statements = prepareInventory(database);
  }

  async totals(): Promise<AllTotals> {
    const all = new Map(this.#statements.totals.all().map((row) => [row.host, totalsOf(row)]));
    const together = all.get('') ?? nothing;
    all.delete('');
    return { ...together, registries: all as Map<RegistryHost, Totals> };
  }

  async images({
    after,
    limit,
  }: {
    after?: ImageCursor | undefined;
    limit: number;
  }): Promise<readonly ImageRecord[]> {
    const images: ImageRecord[] = [];
    const first = after === undefined ? 0 : (this.#statements.content.get(after.digest)?.id ?? 0);
    for (const { id, name } of this.#repositoriesFrom(after?.repository ?? '')) {
      const behind = name === after?.repository ? first : 0;
      const rows = this.#statements.images.all(id, behind, limit - images.length);
      images.push(...rows.map((row) => this.#imageOf(name as RepositoryName, row)));
      if (images.length === limit) break;
    }
    return images;
  }

  #repositoriesFrom(first: string): Iterable<NamedRow> {
    return rowsBySlices((last, limit) =>
      this.#statements.repositories.all(last === undefined ? first : `${last.name}\0`, limit),
    );
  }

  async candidates(limit: number): Promise<readonly ImageCursor[]> {
    const rows = this.#statements.candidates.all(limit);
    return rows.map(({ name, digest }) => ({
      repository: name as RepositoryName,
      digest: digest as Digest,
    }));
  }

  #imageOf(name: RepositoryName, row: ImageRow): ImageRecord {
    const { repository, content } = row;
    return {
      repository: name,
      descriptor: descriptorOf(row),
      tags: this.#statements.tags.all(repository, content, maxTags).map(({ tag }) => tag as Tag),
      totalSize: row.size + (this.#statements.sizeBelow.get(content, repository, maxCounted)?.size ?? 0),
      missing: this.#statements.missing.get(repository, content)?.count ?? 0,
      origin: row.origin,
      createdAt: row.created_at,
      usedAt: row.used_at,
    };
  }
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
    content: prepared<[string], { id: number }>('select id from contents where digest = ?'),
    images: prepared<[number, number, number], ImageRow>(
      `select m.repository, m.content, m.origin, m.created_at, m.used_at,
         c.digest, m.media_type, m.size, m.artifact_type, null as annotations
       from manifests m join contents c on c.id = m.content
       where m.repository = ? and m.content > ? order by m.content limit ?`,
    ),
    tags: prepared<[number, number, number], { tag: string }>(
      'select tag from tags where repository = ? and manifest = ? order by tag limit ?',
    ),
    sizeBelow: prepared<[number, number, number], { size: number | null }>(
      `with recursive below(content, size) as (
         select ?, 0
         union
         select k.child, k.size from below b join children k on k.repository = ? and k.manifest = b.content
         limit ?)
       select sum(size) as size from (select max(size) as size from below group by content)`,
    ),
    missing: prepared<[number, number], { count: number }>(
      `select count(*) as count from children k join wanted w on w.content = k.child and w.repository = k.repository
       where k.repository = ? and k.manifest = ? and k.is_manifest = 0`,
    ),
    candidates: prepared<[number], { name: string; digest: string }>(
      `select r.name, c.digest from manifests m
       join repositories r on r.id = m.repository join contents c on c.id = m.content
       where exists (select 1 from tags t where t.repository = m.repository and t.manifest = m.content)
       or not exists (select 1 from children k where k.child = m.content and k.repository = m.repository)
         and (m.subject is null or not exists (
           select 1 from manifests s where s.repository = m.repository and s.content = m.subject))
       order by m.used_at limit ?`,
    ),
  };
}
