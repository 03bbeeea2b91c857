import type { JWK } from 'jose';
import type { Clock } from '../../base/clock.ts';
import { fileVersions } from '../../base/file-versions.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import { type KeptKey, readKeys, signingOf, writeKeys } from './key-file.ts';
import { newSigningKey, publishedKey, type SigningKey, type VerifyingKey } from './signing-key.ts';

export interface KeyRingSettings {
  /** The file in which keys are kept: those that are made, and the public halves of those that were given. */
  readonly path: string;
  /** Undefined: keys are made, and changed by themselves. */
  readonly given: SigningKey | undefined;
  /** The longest that any token is good. Milliseconds. */
  readonly longestMs: number;
  readonly clock: Clock;
}

/** A key that was made signs for so long. Milliseconds. */
const signsMs = 90 * 24 * 3_600_000;
/** The file is looked at so often at most for a key that nobody knows. Milliseconds. */
const lookMs = 1000;

/**
 * The keys of our tokens: one that signs, and those before it, for as long as their tokens are good. Processes on one directory have them together: each
 * believes what the others sign.
 */
export class KeyRing {
  readonly #settings: KeyRingSettings;
  readonly #work = new SingleFlight<'', void>();
  readonly #looks = new SingleFlight<'', void>();
  #keys: readonly KeptKey[] = [];
  #signer: SigningKey | undefined;
  /** Of the file. */
  #version = '';
  #lookedAt = Number.NEGATIVE_INFINITY;

  private constructor(settings: KeyRingSettings) {
    this.#settings = settings;
    this.#signer = settings.given;
  }

  /** Throws an Error that says why keys cannot be kept. */
  static async open(settings: KeyRingSettings): Promise<KeyRing> {
    const ring = new KeyRing(settings);
    await ring.#renew();
    return ring;
  }

  /** What signs now. */
  async signer(): Promise<SigningKey> {
    if (this.#signer === undefined || this.#isDue())
      await this.#work.run('', async () => await this.#renew());
    if (this.#signer === undefined) throw new Error('there is no key that signs');
    return this.#signer;
  }

  /** All whose tokens may be good (RFC 7517 section 5). */
  get published(): { readonly keys: readonly JWK[] } {
    return { keys: this.#good().map(publishedKey) };
  }

  /** Undefined: it signs nothing that is good. */
  async find(kid: string): Promise<Pick<KeptKey, keyof VerifyingKey | 'stampKey'> | undefined> {
    const known = this.#known(kid);
    if (known !== undefined) return known;
    await this.#lookAgain();
    return this.#known(kid);
  }

  /** Also waits for whoever looks already. */
  async #lookAgain(): Promise<void> {
    const { clock, path } = this.#settings;
    if (!this.#looks.has('') && clock.monotonic() - this.#lookedAt < lookMs) return;
    await this.#looks.run('', async () => {
      this.#lookedAt = clock.monotonic();
      if ((await fileVersions([path])) !== this.#version) await this.#read();
    });
  }

  #known(kid: string): KeptKey | undefined {
    return this.#good().find((key) => key.kid === kid);
  }

  #good(): readonly KeptKey[] {
    const now = this.#settings.clock.now();
    return this.#keys.filter(({ until }) => until === undefined || until > now);
  }

  #isDue(): boolean {
    const { given, clock } = this.#settings;
    const own = this.#keys.find(({ kid }) => kid === this.#signer?.kid);
    return given === undefined && (own === undefined || !isYoung(own, clock.now()));
  }

  /** By the file as it is now: another may have done it already. */
  async #renew(): Promise<void> {
    await this.#read();
    const { given, clock, path } = this.#settings;
    const now = clock.now();
    const signs = given ?? this.#youngest(now) ?? newSigningKey();
    const isKept = this.#keys.some(({ kid, until }) => kid === signs.kid && until === undefined);
    const isAlone = this.#good().every(({ kid, until }) => kid === signs.kid || until !== undefined);
    if (!isKept || !isAlone) {
      await writeKeys(path, this.#with(signs, now), this.#version === none);
      await this.#read();
    }
    this.#signer = given ?? this.#youngest(now) ?? signs;
  }

  /** Of those that were made here. */
  #youngest(now: number): SigningKey | undefined {
    const young = this.#keys.filter((key) => key.until === undefined && isYoung(key, now));
    return young.map(signingOf).findLast((key) => key !== undefined);
  }

  /** Those whose tokens have all ended go. */
  #with(signs: SigningKey, now: number): readonly KeptKey[] {
    const { longestMs, given } = this.#settings;
    const others = this.#good().filter(({ kid }) => kid !== signs.kid);
    const { kid, algorithm, publicKey, privateKey, stampKey } = signs;
    const privatePem =
      given === undefined ? String(privateKey.export({ format: 'pem', type: 'pkcs8' })) : undefined;
    const key = { kid, algorithm, publicKey, since: now, until: undefined, privatePem, stampKey };
    // What has signed for the last time has no private half any more.
    const ended = others.map((other) => ({
      ...other,
      until: other.until ?? now + longestMs,
      privatePem: undefined,
    }));
    return [...ended, key];
  }

  async #read(): Promise<void> {
    const { path } = this.#settings;
    const version = await fileVersions([path]);
    this.#keys = await readKeys(path);
    // What could not be read is read the next time.
    this.#version = version;
  }
}

/** One that is from the far future was made while the clock was wrong, and would sign until then. Clocks of others are a little ahead. */
function isYoung({ since }: KeptKey, now: number): boolean {
  return Math.abs(now - since) <= signsMs;
}

/** The version of a file that is not there. */
const none = 'none';
