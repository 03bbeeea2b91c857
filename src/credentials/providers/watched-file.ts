import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import { FollowedFiles } from '../../base/followed-files.ts';
import type { Log } from '../../base/log.ts';
import { RegistryError } from '../../oci/error.ts';
import { readSecretFile } from './secret-file.ts';

export interface WatchedFileSettings<Value> {
  /** Who wants it, for messages. */
  readonly who: string;
  /** Where it may be; the first that is a file is read. */
  readonly paths: readonly string[];
  /** Throws RegistryError, without quoting the text. */
  readonly parse: (text: string, path: string) => Value | Promise<Value>;
  readonly clock: Clock;
  readonly log: Log;
}

const checkEveryMs = 5000;

/**
 * What a file says, read again after it has changed. It is looked at when it is wanted, which also sees what events on a
 * file miss: a new file at the same path, and the swap of the link above it by which Kubernetes changes a mounted secret.
 * A file that went away, is broken or does not answer changes nothing.
 */
export class WatchedFile<Value> {
  readonly #settings: WatchedFileSettings<Value>;
  readonly #file: FollowedFiles<Value>;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<Value> | undefined;

  constructor(settings: WatchedFileSettings<Value>) {
    const { who, paths, clock, log } = settings;
    this.#settings = settings;
    this.#file = new FollowedFiles({
      files: paths,
      make: async () => await this.#read(),
      onBroken: (error) => log.warn({ err: error }, `${who}: what was read before is used on`),
      clock,
    });
  }

  /** The same object as long as the file says the same. `now`: look at once. Throws DENIED until it was read once. */
  async get({ now = false }: { now?: boolean } = {}): Promise<Value> {
    const { made } = this.#file;
    const isDue = this.#settings.clock.monotonic() >= this.#checkedAt + checkEveryMs;
    if (made !== undefined && !now && !isDue) return made;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return await this.#checking;
  }

  async #check(): Promise<Value> {
    this.#checkedAt = this.#settings.clock.monotonic();
    return await this.#file.check();
  }

  async #read(): Promise<Value> {
    const { who, parse } = this.#settings;
    const path = await this.#find();
    const value = await parse(await readSecretFile(who, path), path);
    const { made } = this.#file;
    return made !== undefined && isDeepStrictEqual(value, made) ? made : value;
  }

  async #find(): Promise<string> {
    const { who, paths } = this.#settings;
    for (const path of paths) if (await isFile(path)) return path;
    throw new RegistryError('DENIED', `${who}: there is no file ${paths.map(quoted).join(' or ')}`);
  }
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
}

function quoted(path: string): string {
  return JSON.stringify(path);
}
