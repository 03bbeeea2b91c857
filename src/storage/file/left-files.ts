import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Digest } from '../../oci/reference.ts';
import { type KeptSpools, maxKept } from '../kept-spools.ts';
import type { OwnerLife, Owners } from '../owners.ts';
import { Ranges } from '../ranges.ts';
import type { FileSystem } from './file-system.ts';
import { KeptFile } from './kept-file.ts';
import type { PartialFile, PartialName } from './partial-file.ts';
import { readRecord } from './spool-record.ts';

/** So many names, and of so many owners, are looked at: the rest when these are gone. */
const maxNames = 100_000;
const maxOwners = 1000;
/** Records, of which each is read. */
const toldAtOnce = 32;

export interface LeftFilesParts {
  readonly files: FileSystem;
  readonly directory: string;
  readonly clock: Clock;
  readonly owners: Owners;
  readonly kept: KeptSpools<KeptFile>;
  /** A file of this process by that id. */
  readonly file: (id: string) => PartialFile;
  /**
   * Told of blobs that had their names when the process ended which had brought them: perhaps nobody knows of them. It is told again later where this rejects. Default:
   * nobody is.
   */
  readonly brought?: ((digests: readonly Digest[]) => Promise<void>) | undefined;
}

interface Left {
  readonly name: string;
  readonly kind: PartialName['kind'];
  readonly id: string;
}

/** A spool and its record; that has another owner where somebody ended between taking over the one and the other. */
interface Pair {
  readonly id: string;
  readonly spool: string;
  readonly record: string;
  readonly mtimeMs: number;
}

/**
 * What lies in `partial/` under the names of other processes. All names are known before an owner is looked at: who is dead then adds
 * none.
 */
export class LeftFiles {
  readonly #parts: LeftFilesParts;
  readonly #byOwner = new Map<string, Left[]>();
  /** By id, whoever owns them. */
  readonly #spools = new Set<string>();
  readonly #records = new Map<string, string>();
  #count = 0;

  constructor(parts: LeftFilesParts) {
    this.#parts = parts;
  }

  add(name: string, { kind, id, owner = '' }: PartialName): void {
    const its = this.#byOwner.get(owner) ?? [];
    if (this.#count >= maxNames || (its.length === 0 && this.#byOwner.size >= maxOwners)) return;
    this.#count += 1;
    this.#byOwner.set(owner, its);
    its.push({ name, kind, id });
    if (kind === 'spool') this.#spools.add(id);
    if (kind === 'record') this.#records.set(id, name);
  }

  /**
   * Takes over what dead owners have left, of so many the youngest, and removes the rest of it. Returns the names of whose owners nobody
   * can tell.
   */
  async settle(): Promise<readonly string[]> {
    const { owners } = this.#parts;
    const lives = new Map<string, OwnerLife>();
    for (const owner of this.#byOwner.keys()) lives.set(owner, await owners.lifeOf(owner));
    const of = (life: OwnerLife) => [...this.#byOwner].filter(([owner]) => lives.get(owner) === life);
    const isSettled = await this.#settleDead(of('dead').flatMap(([, its]) => its));
    if (isSettled && this.#count < maxNames) for (const [owner] of of('dead')) await owners.forget(owner);
    return of('unknown').flatMap(([, its]) =>
      its.flatMap(({ kind, name }) => (kind === 'lock' ? [] : [name])),
    );
  }

  /** False: something is to be told again. */
  async #settleDead(left: readonly Left[]): Promise<boolean> {
    const pairs: Pair[] = [];
    const named: string[] = [];
    for (const { name, kind, id } of left) {
      const pair = kind === 'spool' ? await this.#pairOf(name, id) : undefined;
      if (pair !== undefined) pairs.push(pair);
      else if (kind === 'spool' || kind === 'draft') await this.#remove(name);
      // With its spool it is another's, or comes with it.
      else if (kind === 'record' && !this.#spools.has(id)) named.push(name);
    }
    const youngestFirst = pairs.sort((one, other) => other.mtimeMs - one.mtimeMs);
    for (const pair of youngestFirst.slice(0, maxKept)) await this.#takeOver(pair);
    for (const { spool, record } of youngestFirst.slice(maxKept)) {
      await this.#remove(record);
      await this.#remove(spool);
    }
    return await this.#tellOf(named).then(
      () => true,
      () => false,
    );
  }

  /** Of each spool that has another name by now its record is left. */
  async #tellOf(records: readonly string[]): Promise<void> {
    for (let at = 0; at < records.length; at += toldAtOnce) {
      const some = records.slice(at, at + toldAtOnce);
      const digests = (await Promise.all(some.map(async (name) => await this.#digestIn(name)))).flat();
      if (digests.length > 0) await this.#parts.brought?.(digests);
      for (const name of some) await this.#remove(name);
    }
  }

  async #digestIn(record: string): Promise<readonly Digest[]> {
    try {
      const { note } = await readRecord(this.#parts.files, this.#pathOf(record));
      return [note.digest];
    } catch {
      return [];
    }
  }

  async #pairOf(spool: string, id: string): Promise<Pair | undefined> {
    const record = this.#records.get(id) ?? `${spool}.ranges`;
    const status = await this.#parts.files.stat(this.#pathOf(record)).catch(() => undefined);
    return status && { id, spool, record, mtimeMs: status.mtimeMs };
  }

  /** Of two who try it one can rename the bytes, and then has the record as well. */
  async #takeOver({ id, spool, record, mtimeMs }: Pair): Promise<void> {
    const { files, clock, kept, file } = this.#parts;
    const partial = file(id);
    try {
      await files.rename(this.#pathOf(spool), partial.path);
    } catch {
      partial[Symbol.dispose]();
      return;
    }
    try {
      const found = await this.#found(partial, record);
      await kept.add(found, Math.max(0, clock.now() - mtimeMs));
    } catch {
      await partial.remove().catch(() => undefined);
    }
  }

  /** Throws where nothing can be gone on with. */
  async #found(partial: PartialFile, recordName: string): Promise<KeptFile> {
    const { files } = this.#parts;
    if (partial.record === undefined) throw new Error('no record is read');
    await files.rename(this.#pathOf(recordName), partial.record);
    partial.hasRecord = true;
    const { note, ranges } = await readRecord(files, partial.record);
    const status = await files.stat(partial.path);
    if (!status.isFile()) throw new Error('what was kept is no file');
    const found = new KeptFile(partial, note, new Ranges(ranges).upTo(status.size));
    if (found.bytes < this.#parts.kept.worth) throw new Error('what was kept is gone');
    return found;
  }

  /** What cannot be removed, a directory for one, stays and keeps nobody from the others. */
  async #remove(name: string): Promise<void> {
    await this.#parts.files.rm(this.#pathOf(name), { force: true }).catch(() => undefined);
  }

  #pathOf(name: string): string {
    return join(this.#parts.directory, name);
  }
}
