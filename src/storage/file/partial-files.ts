import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { type KeptSpools, keptMs } from '../kept-spools.ts';
import type { Owners } from '../owners.ts';
import type { FileSystem } from './file-system.ts';
import type { KeptFile } from './kept-file.ts';
import { LeftFiles, type LeftFilesParts } from './left-files.ts';
import { PartialFile, parsePartialName } from './partial-file.ts';

/** A transfer that runs writes at least every half minute (the stall limit); this leaves no doubt. Milliseconds. */
const abandonedMs = 10 * 60_000;
/** Of so many files it is remembered how they were. */
const maxSeen = 10_000;

export interface PartialFilesParts extends Pick<LeftFilesParts, 'brought'> {
  readonly files: FileSystem;
  readonly directory: string;
  readonly clock: Clock;
  /** Undefined: nobody can tell who lives, as on a network file system. */
  readonly owners: Owners | undefined;
  readonly kept: KeptSpools<KeptFile>;
  /** What lies elsewhere under the names of processes, and is to be taken over while it is known who has ended. Default: nothing. */
  readonly uploads?: { takeOver(): Promise<void> };
}

interface SeenFile {
  readonly name: string;
  /** It has the name of another process, and nobody can tell whether that lives. */
  readonly isAnothers: boolean;
  readonly size: number;
  readonly mtimeMs: number;
}

/**
 * What lies in `partial/`. What another process writes there is left alone as long as that lives, and taken over or removed when it has
 * ended. Whose process nobody can tell, as of earlier releases, goes by its age alone, for process ids say nothing across containers.
 */
export class PartialFiles {
  readonly #parts: PartialFilesParts;
  /** Ids of what this process writes or keeps. */
  readonly #own = new Set<string>();
  /** How the others were when they were last looked at. */
  #seen = new Map<string, string>();

  constructor(parts: PartialFilesParts) {
    this.#parts = parts;
  }

  /** A file of this process. */
  file(id: string): PartialFile {
    const { files, directory, owners } = this.#parts;
    this.#own.add(id);
    const own = { [Symbol.dispose]: () => void this.#own.delete(id) };
    return new PartialFile({ files, directory, owner: owners?.mine, id, own });
  }

  /** At the start, when nobody knows yet how they were. */
  async removeOld(): Promise<void> {
    const now = this.#parts.clock.now();
    await this.#look(({ isAnothers, mtimeMs }) => {
      // Whose it is may live, though nobody can tell, and keep it for so long.
      return now - mtimeMs > (isAnothers ? keptMs + abandonedMs : abandonedMs);
    });
  }

  /** Those that are as they were when this was called before, ten minutes ago or longer: no clock that somebody sets counts. */
  async removeUnchanged(): Promise<void> {
    await this.#parts.owners?.renew();
    const seen = new Map<string, string>();
    await this.#look(({ name, isAnothers, size, mtimeMs }) => {
      if (isAnothers) return false;
      const how = `${size} ${mtimeMs}`;
      if (this.#seen.get(name) === how) return true;
      if (seen.size < maxSeen) seen.set(name, how);
      return false;
    });
    this.#seen = seen;
    await this.#parts.kept.removeOld();
  }

  /** Takes over what those have left who have ended, and removes of the others what is old. */
  async #look(isOld: (file: SeenFile) => boolean): Promise<void> {
    const { files, directory, owners, uploads } = this.#parts;
    await uploads?.takeOver().catch(() => undefined);
    const left = owners && new LeftFiles({ ...this.#parts, owners, file: (id) => this.file(id) });
    for await (const { name } of await files.opendir(directory)) {
      const parsed = parsePartialName(name);
      if (this.#own.has(parsed?.id ?? name) || (parsed?.kind === 'lock' && left === undefined)) continue;
      const isAnothers = parsed?.owner !== undefined && parsed.owner !== owners?.mine;
      if (isAnothers && left !== undefined) left.add(name, parsed);
      else if (parsed?.kind !== 'lock') await this.#removeIf(isOld, name, isAnothers);
    }
    for (const name of (await left?.settle()) ?? []) await this.#removeIf(isOld, name, true);
  }

  /** What cannot be removed, a directory for one, stays and keeps nobody from the others. */
  async #removeIf(isOld: (file: SeenFile) => boolean, name: string, isAnothers: boolean): Promise<void> {
    const { files, directory } = this.#parts;
    const path = join(directory, name);
    const status = await files.stat(path).catch(() => undefined);
    if (status === undefined) return;
    const { size, mtimeMs } = status;
    if (isOld({ name, isAnothers, size, mtimeMs }))
      await files.rm(path, { force: true }).catch(() => undefined);
  }
}

/** Looks for what was abandoned as long as the server runs. */
export class PartialSweep implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(partial: PartialFiles, clock: Clock) {
    this.#running = this.#run(partial, clock);
  }

  async #run(partial: PartialFiles, clock: Clock): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // The directory may be away for a while.
      await partial.removeUnchanged().catch(() => undefined);
      await clock.sleep(abandonedMs, signal).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
