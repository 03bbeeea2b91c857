import { LRUCache } from 'lru-cache';
import type { Subject } from './subject.ts';

/** So many are remembered. */
const maxVisitors = 10_000;

/** Who has shown nothing but his address, or a certificate: each is one and the same object as long as he is remembered, so that what is known of him is found by it. */
export class Visitors {
  readonly #known = new LRUCache<string, Subject>({ max: maxVisitors });

  of(address: string | undefined, certificate: string | undefined): Subject {
    const key = `${address ?? ''} ${certificate ?? ''}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const by = certificate === undefined ? 'nothing' : 'certificate';
    const made: Subject = { id: certificate, by, groups: [], address };
    this.#known.set(key, made);
    return made;
  }
}
