import type { Clock } from '../base/clock.ts';
import { Expiring } from '../base/expiring.ts';
import { RegistryError } from '../oci/error.ts';
import { SecretHashes } from './secret-hashes.ts';

/** So many different ones in a minute: a client with an old password shows the same again and again. */
const maxGuesses = 10;
const guessesMs = 60_000;
/** So many networks are remembered that have shown any. */
const maxNetworks = 10_000;

interface Guesses {
  readonly shown: Set<string>;
  /** Forgotten then; by {@link Clock.monotonic}. */
  readonly until: number;
}

/** The wrong passwords, or secrets, of each network. Where there were too many none is looked at: else wrong ones would be told from the right one as often as anybody likes. */
export class WrongGuesses {
  readonly #clock: Clock;
  readonly #hashes = new SecretHashes();
  readonly #ofNetworks: Expiring<Guesses>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ofNetworks = new Expiring(clock, maxNetworks);
  }

  /** Were there too many? */
  isOver(network: string): boolean {
    return this.#tooMany(network) !== undefined;
  }

  /** Throws TOOMANYREQUESTS (429), with how long that is so. */
  check(network: string): void {
    const guesses = this.#tooMany(network);
    if (guesses !== undefined) throw tooMany(guesses.until - this.#clock.monotonic());
  }

  /** `shown`: the user and the password, a secret. */
  add(network: string, shown: string): void {
    const guesses = this.#ofNetworks.get(network) ?? this.#first(network);
    guesses.shown.add(this.#hashes.of(shown));
  }

  #first(network: string): Guesses {
    const guesses = { shown: new Set<string>(), until: this.#clock.monotonic() + guessesMs };
    this.#ofNetworks.set(network, guesses, guessesMs);
    return guesses;
  }

  #tooMany(network: string): Guesses | undefined {
    const guesses = this.#ofNetworks.get(network);
    return guesses !== undefined && guesses.shown.size >= maxGuesses ? guesses : undefined;
  }
}

/** `milliseconds`: until they are looked at again. */
function tooMany(milliseconds: number): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', 'too many wrong passwords or secrets came from this address', {
    headers: { 'Retry-After': String(Math.ceil(milliseconds / 1000)) },
  });
}
