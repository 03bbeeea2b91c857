import type { Digest, RepositoryName, Tag } from '#src/oci/reference.ts';

/** What a client had whole, and since when. */
export interface Had {
  readonly repository: RepositoryName;
  readonly kind: 'blob' | 'manifest' | 'tag';
  readonly reference: Digest | Tag;
  readonly since: number;
  /** By an import, and not by a client who had it. */
  readonly isImported?: boolean;
}

/** What clients had completely: the server has promised to serve it from then on. */
export class Ledger {
  readonly #had = new Map<string, Had>();
  readonly #now: () => number;
  /** When what went last did so, by what it was, or by the digest that went everywhere. */
  readonly #wentAt = new Map<string, number>();

  /** `now`: in fake milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** `askedAt`: what has gone since then, while it was read, is promised to nobody. */
  note(had: Had, askedAt = had.since): void {
    const key = keyOf(had);
    if (this.#went(key) >= askedAt || this.#went(had.reference) >= askedAt) return;
    if (!this.#had.has(key)) this.#had.set(key, had);
  }

  /** Undefined: no client had it. */
  known(had: Pick<Had, 'repository' | 'kind' | 'reference'>): Had | undefined {
    return this.#had.get(keyOf(had));
  }

  /** Forgets what was not complete then: a crash may have taken it. */
  keepBefore(time: number): void {
    for (const [key, { since }] of this.#had) if (since > time) this.#had.delete(key);
  }

  /** It is known to be lost, and one finding for it is enough. */
  forget(had: Pick<Had, 'repository' | 'kind' | 'reference'>): void {
    const key = keyOf(had);
    this.#had.delete(key);
    this.#wentAt.set(key, this.#now());
  }

  /** The same of a blob or manifest in every repository. */
  forgetDigest(digest: string): void {
    this.#wentAt.set(digest, this.#now());
    for (const [key, { reference }] of this.#had) if (reference === digest) this.#had.delete(key);
  }

  #went(what: string): number {
    return this.#wentAt.get(what) ?? Number.NEGATIVE_INFINITY;
  }

  get all(): readonly Had[] {
    return [...this.#had.values()];
  }
}

function keyOf({ repository, kind, reference }: Pick<Had, 'repository' | 'kind' | 'reference'>): string {
  return `${kind} ${repository} ${reference}`;
}
