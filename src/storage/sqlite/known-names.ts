import type { Database } from 'better-sqlite3';
import type { RepositoryName, Tag } from '../../oci/reference.ts';
import type { KnownName, Origin } from '../records.ts';
import { rowsBySlices } from './slices.ts';
import { type DescriptorRow, descriptorOf, type NamedRow, preparing } from './statements.ts';

interface NameRow extends DescriptorRow {
  readonly origin: Origin;
}

interface TagRow extends NameRow {
  readonly tag: string;
  readonly pinned: number;
}

interface ManifestRow extends NameRow {
  readonly content: number;
  readonly is_led_to: 0 | 1;
}

/** What manifests of one repository are known by, row by row: whoever walks lets others have their turn. */
export class KnownNames {
  readonly #statements: ReturnType<typeof prepareNames>;

  constructor(database: Database) {
    this.#statements = prepareNames(database);
  }

  /** Undefined for a manifest that has no name of its own: it is looked at, too. */
  *of({ id, name }: NamedRow): Iterable<KnownName | undefined> {
    const repository = name as RepositoryName;
    for (const row of rowsBySlices<TagRow>((last, limit) =>
      this.#statements.tags.all(id, last?.tag ?? '', limit),
    ))
      yield { ...nameOf(repository, row), tag: row.tag as Tag, isPinned: row.pinned !== 0 };
    for (const row of rowsBySlices<ManifestRow>((last, limit) =>
      this.#statements.manifests.all(id, last?.content ?? 0, limit),
    ))
      yield row.is_led_to === 1 ? undefined : nameOf(repository, row);
  }
}

function nameOf(repository: RepositoryName, row: NameRow): KnownName {
  const { origin } = row;
  return { repository, tag: undefined, descriptor: descriptorOf(row), isPinned: false, origin };
}

export function prepareNames(database: Database) {
  const prepare = preparing(database);
  const described = 'c.digest, m.media_type, m.size, m.origin, m.artifact_type, null as annotations';
  return {
    tags: prepare<[number, string, number], TagRow>(
      `select t.tag, t.pinned, ${described} from tags t
       join manifests m on m.repository = t.repository and m.content = t.manifest
       join contents c on c.id = t.manifest
       where t.repository = ? and t.tag > ? order by t.tag limit ?`,
    ),
    /** What an index names as a blob is nobody's to find by it. */
    manifests: prepare<[number, number, number], ManifestRow>(
      `select m.content, ${described},
         exists (select 1 from tags t where t.repository = m.repository and t.manifest = m.content)
         or exists (select 1 from children k
           where k.child = m.content and k.repository = m.repository and k.is_manifest = 1) as is_led_to
       from manifests m join contents c on c.id = m.content
       where m.repository = ? and m.content > ? order by m.content limit ?`,
    ),
  };
}
