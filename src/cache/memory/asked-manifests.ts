import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import { contentKey, type Digest, type RepositoryName } from '../../oci/reference.ts';

/** Upstream is asked for the same manifest again after so long at the earliest. */
const restMs = 10 * 60_000;

/** How upstream answered, and when by the monotonic clock. */
interface Answer {
  readonly isGiven: boolean;
  /** Why it was not given. */
  readonly error?: unknown;
  readonly at: number;
}

/** Which cached manifests upstream was asked for all the same, because it lacked a blob of theirs: each once in ten minutes. */
export class AskedManifests {
  readonly #clock: Clock;
  readonly #asked: LRUCache<string, { readonly at: number; readonly answer: Promise<Answer> }>;

  constructor(clock: Clock, max = 5000) {
    this.#clock = clock;
    this.#asked = new LRUCache({ max });
  }

  /** Upstream's latest answer: of `ask` if it is time again, else that which came or is awaited. */
  async ask(repository: RepositoryName, manifest: Digest, ask: () => Promise<unknown>): Promise<Answer> {
    const key = contentKey(repository, manifest);
    const now = this.#clock.monotonic();
    const last = this.#asked.get(key);
    if (last !== undefined && last.at + restMs > now) return await last.answer;
    const answer = this.#answerOf(ask);
    this.#asked.set(key, { at: now, answer });
    return await answer;
  }

  async #answerOf(ask: () => Promise<unknown>): Promise<Answer> {
    try {
      await ask();
      return { isGiven: true, at: this.#clock.monotonic() };
    } catch (error) {
      return { isGiven: false, error, at: this.#clock.monotonic() };
    }
  }
}
