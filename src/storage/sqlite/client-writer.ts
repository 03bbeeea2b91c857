import type { Database } from 'better-sqlite3';
import { type Digest, hostOf } from '../../oci/reference.ts';
import type { Operation } from '../operation.ts';
import { MissingContentError, StillNamedError, TagTakenError } from '../requirements.ts';
import { knownManifest } from './known-manifest.ts';
import { preparing } from './statements.ts';
import type { Writes } from './write-statements.ts';

type Of<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>;

export type ClientOperation = Of<
  'require content' | 'require tag' | 'require unled' | 'begin upload' | 'end upload'
>;

/** What clients do with repositories that live here, and under which conditions; inside a transaction of the caller's, of which nothing is left where it throws. */
export class ClientWriter {
  readonly #writes: Writes;
  readonly #statements: ReturnType<typeof prepareClients>;

  constructor(database: Database, writes: Writes) {
    this.#writes = writes;
    this.#statements = prepareClients(database);
  }

  write(operation: ClientOperation): void {
    switch (operation.kind) {
      case 'require content':
        this.#requireContent(operation);
        return;
      case 'require tag':
        this.#requireTag(operation);
        return;
      case 'require unled':
        this.#requireUnled(operation);
        return;
      case 'begin upload': {
        const { id, repository, begunAt } = operation.upload;
        this.#statements.beginUpload.run(id, repository, begunAt);
        return;
      }
      case 'end upload':
        this.#statements.endUpload.run(operation.id);
    }
  }

  #requireContent({ repository, blobs, manifests }: Of<'require content'>): void {
    const owner = this.#writes.findRepository.get(repository)?.id;
    const host = hostOf(repository);
    const hasBlob = (digest: Digest): boolean => {
      const content = this.#writes.findContent.get(digest);
      if (owner === undefined || content === undefined || content.stored_at === null) return false;
      return this.#writes.hasLink.get(content.id, host, owner) !== undefined;
    };
    const hasManifest = (digest: Digest): boolean => {
      const content = this.#writes.findContent.get(digest);
      if (owner === undefined || content === undefined || content.stored_at === null) return false;
      return this.#writes.hasManifest.get(owner, content.id) !== undefined;
    };
    const missing = [
      ...blobs.filter((digest) => !hasBlob(digest)),
      ...manifests.filter((digest) => !hasManifest(digest)),
    ];
    if (missing.length > 0) throw new MissingContentError(missing);
  }

  #requireTag({ repository, tag, digest }: Of<'require tag'>): void {
    const owner = this.#writes.findRepository.get(repository)?.id;
    const there = owner === undefined ? undefined : this.#writes.getTag.get(owner, tag);
    if (there !== undefined && there.digest !== digest) throw new TagTakenError();
  }

  #requireUnled({ repository, digest, by }: Of<'require unled'>): void {
    const known = knownManifest(this.#writes, repository, digest);
    if (known === undefined) return;
    if (this.#statements.isChild.get(known.content, known.owner) !== undefined)
      throw new StillNamedError('manifest');
    if (by === 'anything' && this.#writes.tagsOf.all(known.owner, known.content, 1).length > 0)
      throw new StillNamedError('tag');
  }
}

export function prepareClients(database: Database) {
  const prepare = preparing(database);
  return {
    beginUpload: prepare<[string, string, number]>('insert into uploads values (?, ?, ?)'),
    endUpload: prepare<[string]>('delete from uploads where id = ?'),
    isChild: prepare<[number, number], { found: 1 }>(
      'select 1 as found from children where child = ? and repository = ? limit 1',
    ),
  };
}
