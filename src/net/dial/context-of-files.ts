import type { SecureContext } from 'node:tls';
import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import { FollowedFiles } from '../../base/followed-files.ts';
import type { Log } from '../../base/log.ts';
import { TimeLimit } from '../../base/time-limit.ts';
import { RegistryError } from '../../oci/error.ts';
import { own, worded } from '../../oci/wording.ts';

export interface ContextSettings {
  readonly files: readonly string[];
  /** Throws when the files cannot be used. */
  readonly make: () => Promise<SecureContext>;
  readonly clock: Clock;
  readonly log: Log;
}

const checkEveryMs = 10_000;
/** A connection waits so long for files of which there was nothing yet. Milliseconds. */
const firstMs = 5000;

/** A TLS context that follows its files: they are looked at when it is wanted, every ten seconds at most. */
export class ContextOfFiles {
  readonly #settings: ContextSettings;
  readonly #context: FollowedFiles<SecureContext>;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<SecureContext> | undefined;

  constructor(settings: ContextSettings) {
    const { files, make, log, clock } = settings;
    this.#settings = settings;
    const broken = 'changed TLS files of a registry cannot be used: the old ones are used on';
    this.#context = new FollowedFiles({
      files,
      make,
      clock,
      onBroken: (error) => log.error({ err: error, files }, broken),
    });
  }

  /** Throws UNAVAILABLE (503) where the files do not answer. */
  async get(): Promise<SecureContext> {
    const { made } = this.#context;
    if (this.#checking === undefined && made !== undefined && !this.#isDue) return made;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return await this.#inTime(this.#checking);
  }

  /** What was begun goes on: the next connection may find it done. */
  async #inTime(checking: Promise<SecureContext>): Promise<SecureContext> {
    const { clock, files } = this.#settings;
    const names = files.length === 0 ? 'that all registries share' : files.join(', ');
    const reason = (): Error =>
      new RegistryError(
        'UNAVAILABLE',
        worded`the file system does not answer for the TLS files${own(` ${names}`)}`,
        {
          status: 503,
          headers: { 'Retry-After': '5' },
        },
      );
    using limit = new TimeLimit({ clock, milliseconds: firstMs, reason, signal: undefined });
    return await abortable(checking, limit.signal);
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
