import { Expiring } from '../base/expiring.ts';
import type { CacheParts } from './cache-parts.ts';
import { AskedManifests } from './memory/asked-manifests.ts';
import { DoubtedDigests } from './memory/doubted-digests.ts';
import { NegativeCache } from './memory/negative-cache.ts';
import { TagWalks } from './memory/tag-walks.ts';

/** Of one caller so much is remembered of each kind, where a registry that all share has thousands: there may be many callers. */
const few = 200;
/** Characters of the lists of tags that he read last. */
const maxChars = 256 * 1024;

/**
 * The parts of the cache for a registry that is asked by the credential of one caller. What is stored, and what is known of that, is everybody's; what upstream
 * has answered him (that it has something not, fails, limits him), and what is on its way for him, is his alone. `caller`: who he is, in any text without a
 * blank; no secret.
 */
export function partsOfCaller(parts: CacheParts, caller: string): CacheParts {
  const { clock } = parts;
  return {
    ...parts,
    caller,
    absent: new NegativeCache(clock, few),
    resting: new Expiring(clock, few),
    doubted: new DoubtedDigests(few),
    asked: new AskedManifests(clock, few),
    walks: new TagWalks(clock, maxChars),
  };
}
