import { abortable } from '../base/abortable.ts';
import { Claim, reading } from '../base/claim.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { NoRoom, tooMuchRead } from '../oci/busy.ts';
import { charsOf } from '../oci/descriptor.ts';
import { maxManifestSize } from '../oci/manifest.ts';
import { contentKey, type Digest, hostOf, type RepositoryName } from '../oci/reference.ts';
import type { CallOptions, ReferrersList, Registry } from '../oci/registry.ts';
import { putReferrersList } from '../storage/operation.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import { isAbsent } from './memory/negative-cache.ts';
import { hasRoom, outcomeOfFallback, patiently, type When } from './stale.ts';

/** Of one subject so many are brought unasked. */
const maxBrought = 100;
/** What refers to a manifest is looked for so often at most, where somebody asks for it. Milliseconds. */
export const referrersMs = 3_600_000;
/** Characters of a list that is kept for an outage, of what its descriptors say of themselves. */
const maxKeptChars = 2 * 1024 * 1024;
/** A list that was kept, its entries and what is made of them to be sent: so many times its characters. */
const timesWhileKept = 4;

/** What there is when upstream cannot be asked. */
interface Fallback {
  readonly list: ReferrersList;
  /** Does it say anything? */
  readonly isKnown: boolean;
  readonly room: Claim;
}

interface Checked {
  readonly list: ReferrersList;
  readonly room: Claim;
}

/** Referrers of one registry: live from upstream, stale when it fails, what is cached when there is nothing else. */
export class CachedReferrers {
  readonly #upstream: Registry;
  readonly #policy: CachePolicy;
  readonly #parts: CacheParts;
  readonly #checks = new SingleFlight<string, Checked>();
  readonly #fallbacks = new SingleFlight<string, Fallback | undefined>();

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = upstream;
    this.#policy = policy;
    this.#parts = parts;
  }

  async list(repository: RepositoryName, digest: Digest, options: CallOptions = {}): Promise<ReferrersList> {
    try {
      return await this.#list(repository, digest, options);
    } catch (error) {
      // Nothing refers to it, or nobody knows the repository: to the specification both are an empty list.
      if (isAbsent(error)) return { referrers: [] };
      throw error;
    }
  }

  /** Asks upstream, and keeps what it says. Rejects with its error. */
  async refresh(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<void> {
    await abortable(this.#ask(repository, digest), signal);
  }

  async #list(
    repository: RepositoryName,
    digest: Digest,
    { signal, report, holds, neverStale = false }: CallOptions,
  ): Promise<ReferrersList> {
    report?.({ kind: 'miss' });
    const { clock } = this.#parts;
    try {
      const isSome = async (): Promise<boolean> => {
        if (neverStale) return false;
        const known = await this.#fallback(repository, digest, 'at once');
        return known !== undefined && known.list.referrers.length > 0;
      };
      const { list, room } = await patiently(
        this.#ask(repository, digest),
        this.#policy,
        clock,
        signal,
        isSome,
      );
      if (!room.isSmall) holds?.(room.share());
      return list;
    } catch (error) {
      signal?.throwIfAborted();
      if (neverStale && !this.#policy.offline) throw error;
      // Who has waited for room already does not wait again.
      const isOurs = error instanceof NoRoom;
      const when = isOurs ? 'at once' : 'when there is room';
      const known = await abortable(this.#fallback(repository, digest, when), signal);
      if (known === undefined) throw isOurs ? error : tooMuchRead();
      const { list, isKnown, room } = known;
      const outcome = outcomeOfFallback(error, isKnown, this.#policy);
      report?.(outcome);
      if (!room.isSmall) holds?.(room.share());
      return list;
    }
  }

  /** Undefined: there is no room for it. */
  async #fallback(repository: RepositoryName, digest: Digest, when: When): Promise<Fallback | undefined> {
    return await this.#fallbacks.run(`${when} ${contentKey(repository, digest)}`, async () => {
      const room = new Claim(hostOf(repository));
      return await reading(room, async () => {
        if (!(await hasRoom(room, timesWhileKept * maxKeptChars, when))) return undefined;
        const known = await this.#known(repository, digest);
        room.settle(timesWhileKept * charsOf(known.list.referrers));
        return { ...known, room };
      });
    });
  }

  /**
   * The whole list as it was last seen; else a part, those that are cached. Across an air gap both: who looks for a signature is not
   * told that there is none because it is not here.
   */
  async #known(repository: RepositoryName, digest: Digest): Promise<Omit<Fallback, 'room'>> {
    const { metadata } = this.#parts;
    const { offline } = this.#policy;
    const kept = await metadata.getReferrersList(repository, digest);
    if (kept !== undefined && !offline) return { list: { referrers: kept.items }, isKnown: true };
    const cached = await metadata.listReferrers(repository, digest);
    const both = new Map([...(kept?.items ?? []), ...cached].map((each) => [each.digest, each]));
    const list: ReferrersList = { referrers: [...both.values()], cut: offline ? undefined : 'failed' };
    return { list, isKnown: kept !== undefined || both.size > 0 };
  }

  async #ask(repository: RepositoryName, digest: Digest): Promise<Checked> {
    return await this.#checks.run(contentKey(repository, digest), async () => {
      const room = new Claim(hostOf(repository));
      const read = async (): Promise<ReferrersList> =>
        await this.#upstream.listReferrers(repository, digest, { room });
      const list = await reading(room, read);
      // What broke off, or goes on, must not take the place of the whole.
      if (list.cut === undefined) this.#keep(repository, digest, list);
      if (this.#policy.complete === 'referrers') this.#bring(repository, list);
      return { list, room };
    });
  }

  /** What the list names is of use in an outage only if it is here. */
  #bring(repository: RepositoryName, { referrers }: ReferrersList): void {
    const { completer } = this.#parts;
    const small = referrers.filter(({ size }) => size <= maxManifestSize).slice(0, maxBrought);
    for (const { digest } of small)
      completer.once({ kind: 'referrer', repository, reference: digest }, referrersMs);
  }

  #keep(repository: RepositoryName, digest: Digest, { referrers }: ReferrersList): void {
    const chars = charsOf(referrers);
    if (chars > maxKeptChars) return;
    const { metadata, clock, keeping } = this.#parts;
    const record = { items: referrers, checkedAt: clock.now() };
    const storing = [putReferrersList(repository, digest, record)];
    keeping.keep(chars, async () => await metadata.change(storing));
  }
}
