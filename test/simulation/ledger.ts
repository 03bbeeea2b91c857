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

  note(had: Had): void {
    const key = keyOf(had);
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
    this.#had.delete(keyOf(had));
  }

  /** The same of a blob or manifest in every repository. */
  forgetDigest(digest: string): void {
    for (const [key, { reference }] of this.#had) if (reference === digest) this.#had.delete(key);
  }

  get all(): readonly Had[] {
    return [...this.#had.values()];
  }
}

function keyOf({ repository, kind, reference }: Pick<Had, 'repository' | 'kind' | 'reference'>): string {
  return `${kind} ${repository} ${reference}`;
}
