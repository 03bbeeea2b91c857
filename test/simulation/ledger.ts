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

/** Another server on the same directory knows of it after so long, and may give until then what it remembers. Milliseconds. */
export const newsMs = 1000;

/** An answer: when it was asked for, and by which server it was given out of memory; undefined: it came from upstream. */
interface Asked {
  readonly at: number;
  readonly remembering: string | undefined;
}

/** When it went, and which server has removed it; undefined: nobody has, it was lost, and whoever has it in memory still has it. */
interface Gone {
  readonly at: number;
  readonly by: string | undefined;
}

/** What clients had completely: the server has promised to serve it from then on. */
export class Ledger {
  readonly #had = new Map<string, Had>();
  readonly #now: () => number;
  /** What went last, by what it was, or by the digest that went everywhere. */
  readonly #gone = new Map<string, Gone>();

  /** `now`: in fake milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** What has gone since it was asked for, while it was read, is promised to nobody; nor is what a server remembers that has not heard yet that another has removed it. */
  note(had: Had, asked: Asked = { at: had.since, remembering: undefined }): void {
    const key = keyOf(had);
    if (this.#went(key, asked) || this.#went(had.reference, asked)) return;
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

  /** A server has removed it, or it is known to be lost, and one finding for it is enough. */
  forget(had: Pick<Had, 'repository' | 'kind' | 'reference'>, by?: string): void {
    const key = keyOf(had);
    this.#had.delete(key);
    this.#gone.set(key, { at: this.#now(), by });
  }

  /** The same of a blob or manifest in every repository. */
  forgetDigest(digest: string, by?: string): void {
    this.#gone.set(digest, { at: this.#now(), by });
    for (const [key, { reference }] of this.#had) if (reference === digest) this.#had.delete(key);
  }

  #went(what: string, { at, remembering }: Asked): boolean {
    const gone = this.#gone.get(what);
    if (gone === undefined) return false;
    const isUnheard = gone.by !== undefined && remembering !== undefined && gone.by !== remembering;
    return gone.at + (isUnheard ? newsMs : 0) >= at;
  }

  get all(): readonly Had[] {
    return [...this.#had.values()];
  }
}

function keyOf({ repository, kind, reference }: Pick<Had, 'repository' | 'kind' | 'reference'>): string {
  return `${kind} ${repository} ${reference}`;
}
