import { randomBytes } from 'node:crypto';
import type { FileSystem } from './file-system.ts';
import type { SpoolPlace } from './spool-place.ts';

const spoolPattern = /^spool\.(?:([0-9a-f]{16})\.)?([0-9a-f]{16})(\.ranges(?:\.new)?)?$/;
const lockPattern = /^owner\.([0-9a-f]{16})$/;

/** What a name in `partial/` says. */
export interface PartialName {
  /** Bytes on their way; what is on record of them; such a record half written; what an owner holds locked. */
  readonly kind: 'spool' | 'record' | 'draft' | 'lock';
  /** Undefined: of a release that had none, or where nobody can tell who lives. */
  readonly owner: string | undefined;
  readonly id: string;
}

/** Undefined: something else lies there. */
export function parsePartialName(name: string): PartialName | undefined {
  const [, holder] = lockPattern.exec(name) ?? [];
  if (holder !== undefined) return { kind: 'lock', owner: holder, id: holder };
  const [, owner, id, suffix] = spoolPattern.exec(name) ?? [];
  if (id === undefined) return undefined;
  const kind = suffix === undefined ? 'spool' : suffix === '.ranges' ? 'record' : 'draft';
  return { kind, owner, id };
}

export function newId(): string {
  return randomBytes(8).toString('hex');
}

export interface PartialFileParts {
  readonly files: FileSystem;
  readonly directory: string;
  readonly owner: string | undefined;
  readonly id: string;
  /** Disposed of when it is gone. */
  readonly own: Disposable;
}

/** A file of this process in `partial/`, with the record beside it. */
export class PartialFile implements SpoolPlace, Disposable {
  /** Where its bytes are. */
  readonly path: string;
  /** Where that stands which is on record of them; undefined: nobody would read it. */
  readonly record: string | undefined;
  /** Is a record there, perhaps? */
  hasRecord = false;
  readonly #parts: PartialFileParts;

  constructor(parts: PartialFileParts) {
    const { directory, owner, id } = parts;
    this.#parts = parts;
    this.path = `${directory}/${owner === undefined ? `spool.${id}` : `spool.${owner}.${id}`}`;
    this.record = owner === undefined ? undefined : `${this.path}.ranges`;
  }

  /** It was not made: nothing is left of it. */
  [Symbol.dispose](): void {
    this.#parts.own[Symbol.dispose]();
  }

  /** Throws what keeps the bytes from being removed. */
  async remove(): Promise<void> {
    using _ = this.#parts.own;
    await this.#removeRecord();
    await this.#parts.files.rm(this.path, { force: true });
  }

  /** The bytes have another name. Never rejects. */
  async leave(): Promise<void> {
    using _ = this.#parts.own;
    await this.#removeRecord();
  }

  /** A record without bytes is removed by whoever finds it. */
  async #removeRecord(): Promise<void> {
    if (this.record === undefined || !this.hasRecord) return;
    await this.#parts.files.rm(this.record, { force: true }).catch(() => undefined);
  }
}
