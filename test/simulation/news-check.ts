import type { Outcome } from '#src/oci/outcome.ts';
import { type Digest, isDigest, type Reference, type RepositoryName } from '#src/oci/reference.ts';
import type { Question } from './judge.ts';
import { newsMs } from './ledger.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** What a server has just had from upstream it may know better than the index, and longer where nobody knows when that came. Milliseconds. */
const storingMs = 2000;
const askingMs = 60_000;

type Seen = Pick<World, 'indexHistory' | 'findings' | 'time'>;

/** Whether one of two servers on a directory has heard of what the other has changed. */
export class NewsCheck {
  readonly #world: Seen;
  /** Until when the index may be behind. */
  readonly #knowsBetter = new Map<string, number>();

  constructor(world: Seen) {
    this.#world = world;
  }

  /** Its outcome has been told, or may still become another. */
  reported({ outcome, repository, reference }: Question): void {
    if (outcome?.kind === 'miss') this.#note(repository, reference, askingMs);
  }

  /** It is answered with this digest. */
  check(question: Question, digest: Digest): void {
    const { outcome, repository, reference } = question;
    if (outcome?.kind === 'hit') this.#compare(question, digest);
    else if (outcome !== undefined) {
      this.#note(repository, reference, isKnown(outcome) ? storingMs : askingMs);
      // Its manifest comes with a tag, or was not here either.
      if (outcome.kind === 'miss') this.#note(repository, digest, storingMs);
    }
  }

  #compare({ repository, reference, from, who }: Question, digest: Digest): void {
    const { indexHistory, findings } = this.#world;
    const name = isDigest(reference) ? { repository, digest: reference } : { repository, tag: reference };
    const since = indexHistory.outdatedSince(name, digest);
    if (since === undefined || since + newsMs > from) return;
    if ((this.#knowsBetter.get(`${repository} ${reference}`) ?? 0) >= since) return;
    const said = `${who} at ${(from / 1000).toFixed(3)} s: ${repository} ${reference} is ${digest}`;
    const ago = Math.round(from - since);
    findings.add('two caches are one', short(`${said}, which the index has not said for ${ago} ms`));
  }

  #note(repository: RepositoryName, reference: Reference, forMs: number): void {
    this.#knowsBetter.set(`${repository} ${reference}`, this.#world.time + forMs);
  }
}

/** Does nothing of the question go on behind the answer? */
function isKnown({ kind }: Outcome): boolean {
  return kind !== 'stale';
}
