import type { Digest } from '../../oci/reference.ts';
import type { DiscardedContent } from '../discarded-content.ts';
import type { Operation } from '../operation.ts';
import type { prepareRemovals } from './removal-statements.ts';
import type { ContentRow, Writes } from './write-statements.ts';

type Of<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>;

interface AnnouncedParts {
  readonly statements: Writes;
  readonly removals: ReturnType<typeof prepareRemovals>;
  readonly discarded: DiscardedContent | undefined;
  readonly now: () => number;
  /** Does any manifest name it, or is it one? */
  readonly isOfUse: (content: number) => boolean;
  readonly lose: (digest: Digest, row: ContentRow) => void;
}

/** Bytes that come before anything names them, inside a transaction of the caller's. */
export class AnnouncedWriter {
  readonly #parts: AnnouncedParts;

  constructor(parts: AnnouncedParts) {
    this.#parts = parts;
  }

  announce({ digests, until }: Of<'announce content'>): void {
    const { statements, removals } = this.#parts;
    statements.nameContents.run(JSON.stringify(digests));
    for (const digest of digests) {
      const content = statements.findContent.get(digest)?.id;
      if (content !== undefined) removals.announce.run(content, until);
    }
  }

  /** Somebody says whose it is: from now on it is kept, or goes, with that. */
  end(content: number): void {
    this.#parts.removals.unannounce.run(content);
  }

  discard({ digests, before }: Of<'discard announced'>): void {
    const { statements, removals, now } = this.#parts;
    for (const digest of digests) {
      const row = statements.findContent.get(digest);
      if (row === undefined || removals.isAnnounced.get(row.id) === undefined) continue;
      if (removals.isHeld.get({ content: row.id, now: now() }) !== undefined) continue;
      if (this.#isSettled(digest, row, before)) this.end(row.id);
    }
  }

  /** False: it has to be looked at again. A file that nobody has said to be here is of no use, whoever names it. */
  #isSettled(digest: Digest, row: ContentRow, before: number): boolean {
    const { discarded, isOfUse, lose } = this.#parts;
    if (row.stored_at !== null && (this.#isOwned(row.id) || isOfUse(row.id))) return true;
    if ((row.stored_at ?? 0) >= before || discarded?.take(digest, before) === 'left') return false;
    if (row.stored_at !== null) lose(digest, row);
    return true;
  }

  #isOwned(content: number): boolean {
    return (this.#parts.statements.hostBehind.get(content, '')?.host ?? null) !== null;
  }
}
