import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import { RegistryError } from '../../oci/error.ts';
import { SecretHashes } from './secret-hashes.ts';

/** So many different ones in a minute: a client with an old password shows the same again and again. */
const maxGuesses = 10;
const guessesMs = 60_000;
/** So many networks are remembered that have shown any. */
const maxNetworks = 10_000;

/** The wrong passwords, or secrets, of each network. Where there were too many none is looked at: else wrong ones would be told from the right one as often as anybody likes. */
export class WrongGuesses {
  readonly #hashes = new SecretHashes();
  readonly #ofNetworks: Expiring<Set<string>>;

  constructor(clock: Clock) {
    this.#ofNetworks = new Expiring(clock, maxNetworks);
  }

  /** Were there too many? */
  isOver(network: string): boolean {
    return (this.#ofNetworks.get(network)?.size ?? 0) >= maxGuesses;
  }

  /** Throws TOOMANYREQUESTS (429). */
  check(network: string): void {
    if (this.isOver(network)) throw tooMany();
  }

  /** `shown`: the user and the password, a secret. */
  add(network: string, shown: string): void {
    const guesses = this.#ofNetworks.get(network) ?? new Set();
    if (guesses.size === 0) this.#ofNetworks.set(network, guesses, guessesMs);
    guesses.add(this.#hashes.of(shown));
  }
}

function tooMany(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', 'too many wrong passwords or secrets came from this address', {
    headers: { 'Retry-After': String(guessesMs / 1000) },
  });
}
