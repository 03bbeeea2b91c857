import { Turns } from '../base/turns.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import { contentKey } from '../oci/reference.ts';
import type { Dropped, FreedContent, Hands } from './hands.ts';
import type { RemovalParts } from './removing-hands.ts';

/** What more manifests name than this is not counted, and stays. */
const mostUses = 10_000;

type CountingParts = Pick<RemovalParts, 'graph' | 'clock' | 'graceMs'>;

/**
 * Works out what would go, one after the other, and changes nothing. It remembers what is shared alone, and how much of it is left: an image that
 * shares nothing takes no room.
 */
export class CountingHands implements Hands {
  readonly #parts: CountingParts;
  readonly #leads = new Map<string, number>();
  readonly #uses = new Map<Digest, number>();
  readonly #turns: Turns;
  #hasMetHeld = false;

  constructor(parts: CountingParts) {
    this.#parts = parts;
    this.#turns = new Turns(parts.clock);
  }

  /** Would bytes stay for now though nothing needs them, since somebody brings or names them? */
  get hasMetHeld(): boolean {
    return this.#hasMetHeld;
  }

  /** Each that leads to it says so once: its tags at first, or an index or a subject that has gone. */
  async drop(repository: RepositoryName, digest: Digest, tags: readonly Tag[]): Promise<Dropped> {
    const { graph } = this.#parts;
    if ((await graph.node(repository, digest)) === undefined) return { isGone: false, tags: [] };
    const key = contentKey(repository, digest);
    const before = this.#leads.get(key) ?? (await graph.leads(repository, digest));
    return { isGone: isLast(this.#leads, key, before, Math.max(1, tags.length)), tags };
  }

  async discard(_: RepositoryName, digests: readonly Digest[]): Promise<readonly FreedContent[]> {
    const freed: FreedContent[] = [];
    for (const digest of digests) {
      if (this.#turns.isOver) await this.#turns.pass();
      const size = await this.#freed(digest);
      if (size !== undefined) freed.push({ digest, size });
    }
    return freed;
  }

  async #freed(digest: Digest): Promise<number | undefined> {
    const { clock, graceMs, graph } = this.#parts;
    const before = this.#uses.get(digest) ?? (await graph.uses(digest, mostUses));
    if (before >= mostUses || !isLast(this.#uses, digest, before, 1)) return undefined;
    if (await graph.isHeld(digest, clock.now())) {
      this.#hasMetHeld = true;
      return undefined;
    }
    const { storedAt, size = 0 } = (await graph.content(digest)) ?? {};
    return storedAt !== undefined && storedAt < clock.now() - graceMs ? size : undefined;
  }
}

function isLast<Key>(left: Map<Key, number>, key: Key, before: number, less: number): boolean {
  const after = before - less;
  if (after > 0) left.set(key, after);
  else left.delete(key);
  return after <= 0;
}
