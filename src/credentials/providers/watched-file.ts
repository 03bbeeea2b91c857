import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { RegistryError } from '../../oci/error.ts';
import { readSecretFile } from './secret-file.ts';

export interface WatchedFileSettings<Value> {
  /** Who wants it, for messages. */
  readonly who: string;
  /** Where it may be; the first that is a file is read. */
  readonly paths: readonly string[];
  /** Throws RegistryError, without quoting the text. */
  readonly parse: (text: string, path: string) => Value;
  readonly clock: Clock;
  readonly log: Log;
}

const checkEveryMs = 5000;

/**
 * What a file says, read again after it has changed. It is looked at when it is wanted, which also sees what events on a
 * file miss: a new file at the same path, and the swap of the link above it by which Kubernetes changes a mounted secret.
 * A file that went away or is broken changes nothing.
 */
export class WatchedFile<Value> {
  readonly #settings: WatchedFileSettings<Value>;
  #read: { readonly version: string; readonly value: Value } | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | undefined;
  #isBroken = false;

  constructor(settings: WatchedFileSettings<Value>) {
    this.#settings = settings;
  }

  /** The same object as long as the file says the same. `now`: look at once. Throws DENIED until it was read once. */
  async get({ now = false }: { now?: boolean } = {}): Promise<Value> {
    const isDue = this.#settings.clock.monotonic() >= this.#checkedAt + checkEveryMs;
    if (this.#read === undefined || now || isDue) {
      this.#checking ??= this.#check().finally(() => {
        this.#checking = undefined;
      });
      await this.#checking;
    }
    if (this.#read === undefined)
      throw new RegistryError('DENIED', `${this.#settings.who}: no file was read`);
    return this.#read.value;
  }

  async #check(): Promise<void> {
    const { who, parse, clock, log } = this.#settings;
    try {
      const { path, version } = await this.#find();
      this.#checkedAt = clock.monotonic();
      if (version === this.#read?.version) {
        this.#isBroken = false;
        return;
      }
      const value = parse(await readSecretFile(who, path), path);
      const isSame = isDeepStrictEqual(value, this.#read?.value);
      this.#read = { version, value: this.#read !== undefined && isSame ? this.#read.value : value };
      this.#isBroken = false;
    } catch (error) {
      this.#checkedAt = clock.monotonic();
      if (this.#read === undefined) throw error;
      if (!this.#isBroken) log.warn({ err: error }, `${who}: what was read before is used on`);
      this.#isBroken = true;
    }
  }

  /** A version is another for every other file and every change. */
  async #find(): Promise<{ path: string; version: string }> {
    const { who, paths } = this.#settings;
    for (const path of paths) {
      const stats = await statsOf(path);
      if (stats?.isFile() !== true) continue;
      return { path, version: [path, stats.dev, stats.ino, stats.mtimeNs, stats.size].join(' ') };
    }
    throw new RegistryError('DENIED', `${who}: there is no file ${paths.map(quoted).join(' or ')}`);
  }
}

async function statsOf(path: string): Promise<BigIntStats | undefined> {
  return await stat(path, { bigint: true }).catch(() => undefined);
}

function quoted(path: string): string {
  return JSON.stringify(path);
}
