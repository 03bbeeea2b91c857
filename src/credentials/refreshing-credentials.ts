import { isDeepStrictEqual } from 'node:util';
import { abortable } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { TimeLimit } from '../base/time-limit.ts';
import { RegistryError } from '../oci/error.ts';
import { Stopping } from '../oci/stopping.ts';
import type { Credential, CredentialProvider, ProvidedCredential, ProvideOptions } from './credentials.ts';

/** Somebody outside of the process who gives credentials: a cloud's API, a metadata server, a program. */
export interface CredentialSource extends Partial<AsyncDisposable> {
  readonly name: string;
  /** Throws RegistryError with a message that helps and holds no secret. What else it throws is not told to anybody. */
  fetch(signal: AbortSignal): Promise<ProvidedCredential>;
}

export interface RefreshingSettings {
  readonly source: CredentialSource;
  /** The longest time between two fetches, whatever the source says of its credential's life. Milliseconds. */
  readonly expiryMs: number;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly log: Log;
}

const fetchLimitMs = 30_000;
/** A shorter life than this is not believed: a wrong clock here or there must not make us ask without a pause. */
const minLifeMs = 120_000;
const minExpiryMs = 1000;
const minMarginMs = 600_000;
const renewalPauseMs = 60_000;
const firstBackOffMs = 1000;
const maxBackOffMs = 30_000;

/**
 * The credential of a source, renewed ahead of its end. The source is first asked when a credential is first wanted,
 * then in the background: start and cached content never wait for it. While it fails, the old credential serves until
 * it ends. One fetch at a time; disposing stops the timer.
 */
export class RefreshingCredentials implements CredentialProvider, AsyncDisposable {
  readonly name: string;
  readonly #settings: RefreshingSettings;
  readonly #disposed = new AbortController();
  #current: ProvidedCredential | undefined;
  /** When it ends, by {@link Clock.monotonic}: whoever sets the clock makes it neither older nor younger. */
  #usableUntil = 0;
  #fetching: Promise<ProvidedCredential> | undefined;
  #refreshing: Promise<void> | undefined;
  /** When the source is to be asked again. */
  #dueAt = 0;
  #failure: RegistryError | undefined;
  #failures = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #warned = false;

  constructor(settings: RefreshingSettings) {
    this.#settings = settings;
    this.name = settings.source.name;
  }

  /** Throws what the source throws; for as long as the source rests after a failure, the same without asking it. */
  async get({ signal }: ProvideOptions = {}): Promise<ProvidedCredential> {
    const current = this.#usable;
    if (current !== undefined) return current;
    if (this.#failure !== undefined && this.#settings.clock.monotonic() < this.#dueAt) throw this.#failure;
    return await abortable(this.#fetch(), signal);
  }

  async renew(refused: Credential, { signal }: ProvideOptions = {}): Promise<boolean> {
    if (this.#current !== undefined && this.#current.credential !== refused) return true;
    const now = this.#settings.clock.monotonic();
    if (this.#fetching === undefined && now < this.#renewedAt + renewalPauseMs) return false;
    this.#renewedAt = now;
    try {
      return (await abortable(this.#fetch(), signal)).credential !== refused;
    } catch {
      signal?.throwIfAborted();
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort(new Stopping());
    await Promise.allSettled([this.#fetching, this.#refreshing]);
    await this.#settings.source[Symbol.asyncDispose]?.();
  }

  get #usable(): ProvidedCredential | undefined {
    return this.#settings.clock.monotonic() < this.#usableUntil ? this.#current : undefined;
  }

  #fetch(): Promise<ProvidedCredential> {
    this.#fetching ??= this.#ask().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #ask(): Promise<ProvidedCredential> {
    try {
      const fetched = await this.#withinLimit();
      this.#disposed.signal.throwIfAborted();
      return this.#keep(fetched);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async #withinLimit(): Promise<ProvidedCredential> {
    const { source, clock } = this.#settings;
    const reason = () => timedOut(source.name);
    using limit = new TimeLimit({ clock, milliseconds: fetchLimitMs, reason, signal: this.#disposed.signal });
    return await abortable(source.fetch(limit.signal), limit.signal);
  }

  #keep(fetched: ProvidedCredential): ProvidedCredential {
    const { source, clock, log } = this.#settings;
    const now = clock.now();
    const { credential, expiresAt } = this.#plausible(fetched, now);
    const previous = this.#current?.credential;
    // The same identity must stay the same object: another would drop the tokens that were had with it.
    const same = previous !== undefined && isDeepStrictEqual(previous, credential);
    this.#current = {
      credential: same ? previous : credential,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    const lifeMs = expiresAt === undefined ? undefined : expiresAt - now;
    const keptAt = clock.monotonic();
    this.#usableUntil = keptAt + (lifeMs ?? Number.POSITIVE_INFINITY);
    this.#dueAt = keptAt + this.#intervalMs(lifeMs);
    if (this.#failures > 0)
      log.info({ source: source.name, failures: this.#failures }, 'credentials are renewed again');
    this.#failure = undefined;
    this.#failures = 0;
    if (!this.#disposed.signal.aborted) this.#refreshing ??= this.#refresh();
    return this.#current;
  }

  #plausible({ credential, expiresAt }: ProvidedCredential, now: number): ProvidedCredential {
    if (expiresAt === undefined) return { credential };
    if (expiresAt - now >= minLifeMs) return { credential, expiresAt };
    if (expiresAt <= now && !this.#warned) {
      this.#warned = true;
      const { source, log } = this.#settings;
      const fields = { source: source.name, expiresAt: new Date(expiresAt).toISOString() };
      log.warn(fields, 'the source gives credentials that have expired already: is a clock wrong?');
    }
    return { credential, expiresAt: now + minLifeMs };
  }

  /** From now to the next fetch; a little less each time, so that many processes do not ask at once. */
  #intervalMs(lifeMs: number | undefined): number {
    const expiryMs = Math.max(minExpiryMs, this.#settings.expiryMs);
    const interval = lifeMs === undefined ? expiryMs : Math.min(expiryMs, lifeMs - marginMs(lifeMs));
    return interval * (1 - this.#settings.random() / 10);
  }

  #failed(error: unknown): RegistryError {
    const { source, clock, random, log } = this.#settings;
    const failure = error instanceof RegistryError ? ofSource(error) : unexpected(source.name, error);
    if (this.#disposed.signal.aborted) return failure;
    this.#failure = failure;
    const backOffMs = Math.min(maxBackOffMs, firstBackOffMs * 2 ** this.#failures);
    this.#dueAt = clock.monotonic() + backOffMs * (1 - random() / 10);
    this.#failures += 1;
    const write = this.#failures === 1 ? log.warn : log.debug;
    const retryInSeconds = Math.ceil(backOffMs / 1000);
    write.call(log, { err: failure, source: source.name, retryInSeconds }, 'no new credentials');
    return failure;
  }

  /** Runs from the first credential to the end. */
  async #refresh(): Promise<void> {
    const { clock } = this.#settings;
    const { signal } = this.#disposed;
    while (!signal.aborted) {
      const waitMs = this.#dueAt - clock.monotonic();
      const next = waitMs > 0 ? clock.sleep(waitMs, signal) : this.#fetch();
      // A failure was logged, and has set the time for the next try.
      await next.catch(() => undefined);
    }
  }
}

/** How long before its end a credential is renewed. */
function marginMs(lifeMs: number): number {
  return lifeMs < 2 * minMarginMs ? lifeMs / 2 : Math.max(minMarginMs, lifeMs / 10);
}

function timedOut(name: string): RegistryError {
  const message = `no credentials from ${name} within ${fetchLimitMs / 1000} s`;
  return new RegistryError('UNAVAILABLE', message, { status: 504 });
}

/**
 * What a source could not be asked for says nothing of the registry: neither that it gave no answer, nor that it is to be asked again
 * as its cause would have it.
 */
function ofSource({ code, wording, status, headers }: RegistryError): RegistryError {
  return new RegistryError(code, wording, { status, headers });
}

/** Nothing but its kind is passed on: nobody looked whether it holds a secret. */
function unexpected(name: string, error: unknown): RegistryError {
  const kind = error instanceof Error ? error.name : typeof error;
  return new RegistryError(
    'UNAVAILABLE',
    `no credentials from ${name}: it failed with an unexpected ${kind}`,
  );
}
