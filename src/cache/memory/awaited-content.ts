import { contentKey } from '../../oci/reference.ts';
import type { Change } from '../../storage/operation.ts';
import { tagKey } from './known-tags.ts';
import type { Memory } from './memory.ts';

/** Whoever waits by a key, as long as he does. */
class Waiting {
  tell = (): void => {};

  /** Settles with the next change from now on. */
  async told(): Promise<undefined> {
    return await new Promise((resolve) => {
      this.tell = () => resolve(undefined);
    });
  }
}

/**
 * Those who wait for upstream, and are told when somebody else (an import, another process) has changed what they wait for: it may be here by now. By the digest of a blob,
 * {@link contentKey} of a manifest, {@link tagKey} of a tag. To be told of a change behind the memories in which they look then.
 */
export class AwaitedContent implements Memory {
  readonly #waiting = new Map<string, Set<Waiting>>();
  #moment = 0;

  /** To be taken before one looks whether it is here. */
  now(): number {
    return this.#moment;
  }

  /** So many wait. */
  get size(): number {
    return this.#waiting.values().reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Settles as `work` does, or with what `look` finds before. It is called when what goes by the key was changed, and at once where anything was changed
   * `since`: then nobody knows what. That it fails is no reason not to wait on.
   */
  async orBrought<Value>(
    key: string,
    since: number,
    work: Promise<Value>,
    look: () => Promise<Value | undefined>,
  ): Promise<Value> {
    const came = work.then((value) => ({ value }));
    // Its failure is nobody's where something was brought.
    came.catch(() => undefined);
    const waiting = new Waiting();
    using _ = this.#join(key, waiting);
    for (let mayBeHere = this.#moment !== since; ; mayBeHere = true) {
      const told = waiting.told();
      const brought = mayBeHere ? await look().catch(() => undefined) : undefined;
      if (brought !== undefined) return brought;
      const first = await Promise.race([came, told]);
      if (first !== undefined) return first.value;
    }
  }

  forget(change: Change): void {
    this.#moment += 1;
    this.#tell(keyOf(change));
  }

  forgetAll(): void {
    this.#moment += 1;
    for (const key of this.#waiting.keys()) this.#tell(key);
  }

  #tell(key: string): void {
    for (const waiting of this.#waiting.get(key) ?? []) waiting.tell();
  }

  #join(key: string, waiting: Waiting): Disposable {
    const all = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, all.add(waiting));
    return {
      [Symbol.dispose]: () => {
        all.delete(waiting);
        if (all.size === 0) this.#waiting.delete(key);
      },
    };
  }
}

function keyOf(change: Change): string {
  if (change.kind === 'blob') return change.digest;
  const { repository } = change;
  return change.kind === 'tag' ? tagKey(repository, change.tag) : contentKey(repository, change.digest);
}
