import type { Database } from 'better-sqlite3';
import type { Operation, RestoredBy } from '../operation.ts';
import { preparing } from './statements.ts';
import type { Writes } from './write-statements.ts';

type Of<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>;

/** What restoring is made of: each as the operation of its name says it. */
interface RestoreSteps {
  putManifest(operation: Of<'put manifest'>): void;
  putTag(operation: Of<'put tag'>): void;
  pinTag(operation: Of<'pin tag'>): void;
}

/** Puts back what somebody says was here, who may know less than the index: inside a transaction of the caller's. */
export class RestoreWriter {
  readonly #statements: ReturnType<typeof prepareRestore>;
  readonly #known: Writes;
  readonly #steps: RestoreSteps;

  constructor(database: Database, known: Writes, steps: RestoreSteps) {
    this.#statements = prepareRestore(database);
    this.#known = known;
    this.#steps = steps;
  }

  write(operation: Of<'restore manifest'>): void {
    const { repository, manifest, origin, by } = operation;
    if (!this.#mayBeHere(operation)) return;
    this.#steps.putManifest({ kind: 'put manifest', repository, manifest, origin });
    if (by !== 'index' && by.tag !== undefined) this.#restoreTag(operation, by);
  }

  #mayBeHere({ repository, manifest, by }: Of<'restore manifest'>): boolean {
    const owner = this.#known.findRepository.get(repository)?.id;
    const content = this.#known.findContent.get(manifest.descriptor.digest)?.id;
    // Nothing was ever said of them.
    if (owner === undefined || content === undefined) return by !== 'index';
    if (this.#known.hasManifest.get(owner, content) !== undefined) return true;
    if (this.#statements.wasDropped.get(owner, content) !== undefined) return false;
    return by !== 'index' || this.#statements.isNamedByIndex.get(content, owner) !== undefined;
  }

  #restoreTag(
    { repository, manifest: { descriptor } }: Of<'restore manifest'>,
    { tag, checkedAt, isPinned }: Exclude<RestoredBy, 'index'>,
  ): void {
    if (tag === undefined) return;
    const owner = this.#known.findRepository.get(repository)?.id ?? 0;
    const isThere = this.#known.getTag.get(owner, tag) !== undefined;
    if (!isThere && this.#statements.lastFormer.get(owner, tag)?.why === 'removed') return;
    const record = { tag, descriptor, checkedAt };
    if (!isThere) this.#steps.putTag({ kind: 'put tag', repository, record, was: undefined });
    if (isPinned) this.#steps.pinTag({ kind: 'pin tag', repository, tag, isPinned });
  }
}

export function prepareRestore(database: Database) {
  const prepare = preparing(database);
  return {
    wasDropped: prepare<[number, number], { found: 1 }>(
      'select 1 as found from dropped where repository = ? and content = ?',
    ),
    isNamedByIndex: prepare<[number, number], { found: 1 }>(
      'select 1 as found from children where child = ? and repository = ? and is_manifest = 1 limit 1',
    ),
    lastFormer: prepare<[number, string], { why: 'moved' | 'removed' }>(
      'select why from tag_history where repository = ? and tag = ? order by id desc limit 1',
    ),
  };
}
