import type { SecureContext } from 'node:tls';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../log.ts';
import { fileVersions } from './file-versions.ts';

export interface ContextSettings {
  readonly files: readonly string[];
  /** Throws when the files cannot be used. */
  readonly make: () => Promise<SecureContext>;
  readonly clock: Clock;
  readonly log: Log;
}

const checkEveryMs = 10_000;

/**
 * A TLS context that is made again when its files have changed: looked at when it is wanted, every ten seconds at most. What is
 * broken changes nothing, once there was something right, is said once, and is tried again: it may not be the files' fault.
 */
export class ContextOfFiles {
  readonly #settings: ContextSettings;
  #context: SecureContext | undefined;
  /** Of the files that it was made of. */
  #version: string | undefined;
  /** Of files that were read last and could not be used, with the reason. */
  #failure: string | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<SecureContext> | undefined;

  constructor(settings: ContextSettings) {
    this.#settings = settings;
  }

  async get(): Promise<SecureContext> {
    if (this.#checking === undefined && this.#context !== undefined && !this.#isDue) return this.#context;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return await this.#checking;
  }

  get #isDue(): boolean {
    const { files, clock } = this.#settings;
    return files.length > 0 && clock.monotonic() >= this.#checkedAt + checkEveryMs;
  }

  /** The version is taken before the files are read: what changes meanwhile is seen the next time. */
  async #check(): Promise<SecureContext> {
    const { files, clock, make } = this.#settings;
    this.#checkedAt = clock.monotonic();
    const before = this.#context;
    const version = await fileVersions(files);
    if (before !== undefined && version === this.#version) return before;
    try {
      this.#context = await make();
      this.#version = version;
      this.#failure = undefined;
      return this.#context;
    } catch (error) {
      if (before === undefined) throw error;
      this.#tell(error, `${version}: ${error}`);
      return before;
    }
  }

  #tell(error: unknown, failure: string): void {
    if (failure === this.#failure) return;
    this.#failure = failure;
    const { files, log } = this.#settings;
    log.error(
      { err: error, files },
      'changed TLS files of a registry cannot be used: the old ones are used on',
    );
  }
}
