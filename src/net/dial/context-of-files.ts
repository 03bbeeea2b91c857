import type { SecureContext } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { FollowedFiles } from '../../base/followed-files.ts';
import type { Log } from '../../base/log.ts';

export interface ContextSettings {
  readonly files: readonly string[];
  /** Throws when the files cannot be used. */
  readonly make: () => Promise<SecureContext>;
  readonly clock: Clock;
  readonly log: Log;
}

const checkEveryMs = 10_000;

/** A TLS context that follows its files: they are looked at when it is wanted, every ten seconds at most. */
export class ContextOfFiles {
  readonly #settings: ContextSettings;
  readonly #context: FollowedFiles<SecureContext>;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<SecureContext> | undefined;

  constructor(settings: ContextSettings) {
    const { files, make, log } = settings;
    this.#settings = settings;
    const broken = 'changed TLS files of a registry cannot be used: the old ones are used on';
    this.#context = new FollowedFiles({
      files,
      make,
      onBroken: (error) => log.error({ err: error, files }, broken),
    });
  }

  async get(): Promise<SecureContext> {
    const { made } = this.#context;
    if (this.#checking === undefined && made !== undefined && !this.#isDue) return made;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return await this.#checking;
  }

  get #isDue(): boolean {
    const { files, clock } = this.#settings;
    return files.length > 0 && clock.monotonic() >= this.#checkedAt + checkEveryMs;
  }

  async #check(): Promise<SecureContext> {
    this.#checkedAt = this.#settings.clock.monotonic();
    return await this.#context.check();
  }
}
