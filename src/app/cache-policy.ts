import type { CachePolicy } from '../cache/cache-parts.ts';
import { type FreshnessRule, freshnessPolicy } from '../cache/memory/freshness.ts';
import type { Config, RegistryConfig } from '../config/schema.ts';
import { headLimitMs } from './head-limit.ts';
import { overridden } from './overridden.ts';

/** The original's `alwaysPullLatest`: it asks upstream each time for the tag `latest`, whatever else is configured. */
const latestAlways: FreshnessRule = { pattern: '**:latest', freshness: 'always' };

/** What is served stale must be there before the client is told to come back. */
const staleShare = 0.8;

/** Of the downloads that may run at a time: the rest is for clients that wait. */
const abandonedShare = 0.5;

/** How a registry is cached: its own keys over those for all. */
export function cachePolicy(config: Config, registry: RegistryConfig | undefined): CachePolicy {
  const cache = overridden(config.cache, registry?.cache);
  const { maxConcurrent } = overridden(config.upstream, registry?.upstream);
  const rules = config.alwaysPullLatest ? [latestAlways, ...cache.freshnessRules] : cache.freshnessRules;
  return {
    freshness: freshnessPolicy(rules, cache.freshness),
    staleIfError: cache.staleIfError,
    staleDeadline: Math.min(cache.staleDeadline, headLimitMs(config) * staleShare),
    onGone: cache.onGone,
    negativeTtl: cache.negativeTtl,
    complete: !config.airGapped && cache.complete,
    maxAbandoned: Math.max(1, Math.floor(maxConcurrent * abandonedShare)),
    offline: config.airGapped,
    ...(config.airGapped && { freshness: () => 'immutable' as const }),
  };
}
