import { errors } from 'jose';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import { Busy } from '../../oci/busy.ts';
import { type IssuerKeys, keysOfJwks } from './issuer-keys.ts';

export interface RemoteKeysSettings {
  readonly issuer: string;
  /** Fetches the JSON Web Key Set: bounded in bytes and time. Rejects where there is none. */
  readonly fetch: () => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keys are fetched again behind so long a time, for a key that is not among them no sooner than behind this one. Milliseconds. */
const freshMs = 10 * 60_000;
const pauseMs = 30_000;
/** So long behind a failure, where there are none yet. */
const retryMs = 5000;

/**
 * The keys of an issuer, as it publishes them. What is known stays known while the issuer does not answer; nobody waits for it but who has a key that is not
 * known.
 */
export class RemoteKeys {
  readonly #settings: RemoteKeysSettings;
  readonly #fetches = new SingleFlight<'', void>();
  #keys: IssuerKeys | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #isBroken = false;

  constructor(settings: RemoteKeysSettings) {
    this.#settings = settings;
  }

  /** Rejects as {@link IssuerKeys}; UNAVAILABLE (503) where none are known yet. */
  readonly find: IssuerKeys = async (header, token) => {
    if (this.#keys === undefined) await this.#fetchedBehind(retryMs);
    else if (this.#isOlderThan(freshMs)) void this.#fetched();
    if (this.#keys === undefined) throw new Busy('the keys of the issuer of this token cannot be had now');
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#fetchedBehind(pauseMs);
      return await this.#keys(header, token);
    }
  };

  /** Also waits for whoever asks already. */
  async #fetchedBehind(milliseconds: number): Promise<void> {
    if (this.#fetches.has('') || this.#isOlderThan(milliseconds)) await this.#fetched();
  }

  #isOlderThan(milliseconds: number): boolean {
    return this.#settings.clock.monotonic() - this.#askedAt >= milliseconds;
  }

  /** Never rejects. */
  async #fetched(): Promise<void> {
    await this.#fetches.run('', async () => {
      const { fetch, issuer, clock, log } = this.#settings;
      this.#askedAt = clock.monotonic();
      try {
        this.#keys = keysOfJwks(await fetch());
        this.#isBroken = false;
      } catch (error) {
        if (this.#isBroken) return;
        this.#isBroken = true;
        log.error(
          { err: error, issuer },
          'the keys of an issuer of tokens cannot be had: those that are known stay',
        );
      }
    });
  }
}
