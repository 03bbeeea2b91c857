import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import { type Soon, soon } from '../../base/soon.ts';
import { judgedRepository } from '../../oci/judged-name.ts';
import { contentKey, type Digest, type RepositoryName, type Tag } from '../../oci/reference.ts';
import type { Verdict } from '../subject.ts';
import type { Policy } from './policy.ts';

/** The known tags of the repository that lead to what has this digest, by indexes too; none: nobody knows of any. */
export type LeadingTags = (repository: RepositoryName, digest: Digest) => Promise<readonly Tag[]>;

/** So many digests are remembered, and for so long: a tag may move. Milliseconds. */
const maxDigests = 10_000;
const decidedMs = 10_000;
/** What was just given by a tag that may pass is asked for by its digest next, and may not be on record yet. Milliseconds. */
const passedMs = 600_000;

/**
 * What passes by digest: what no known tag leads to, or one that may pass. What only tags lead to that may not is kept back, be it an index, one of its
 * manifests or a blob of them.
 */
export class DigestPolicy {
  readonly #policy: Policy;
  readonly #leadingTags: LeadingTags;
  readonly #decided: Expiring<Verdict>;
  readonly #passed: Expiring<true>;

  constructor(policy: Policy, leadingTags: LeadingTags, clock: Clock) {
    this.#policy = policy;
    this.#leadingTags = leadingTags;
    this.#decided = new Expiring(clock, maxDigests);
    this.#passed = new Expiring(clock, maxDigests);
  }

  ofDigest(repository: RepositoryName, digest: Digest): Soon<Verdict> {
    const byName = this.#policy.ofName(repository);
    if (!byName.allowed || !this.#policy.asksForTags(repository)) return byName;
    const key = contentKey(repository, digest);
    if (this.#passed.get(key) === true) return byName;
    const known = this.#decided.get(key);
    if (known !== undefined) return known;
    return soon(this.#tagsOf(repository, digest), (tags) => {
      const verdict = this.#policy.ofTags(repository, tags);
      this.#decided.set(key, verdict, decidedMs);
      return verdict;
    });
  }

  /** Also those by which it is known where its registry is written as usual. */
  async #tagsOf(repository: RepositoryName, digest: Digest): Promise<readonly Tag[]> {
    const names = new Set([repository, judgedRepository(repository)]);
    return (await Promise.all([...names].map((name) => this.#leadingTags(name, digest)))).flat();
  }

  /** A tag that may pass was answered with it. */
  passed(repository: RepositoryName, digest: Digest): void {
    if (this.#policy.asksForTags(repository))
      this.#passed.set(contentKey(repository, digest), true, passedMs);
  }
}
