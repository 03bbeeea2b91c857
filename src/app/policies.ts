import type { CachePolicy } from '../cache/cache-parts.ts';
import { type FreshnessRule, freshnessPolicy } from '../cache/memory/freshness.ts';
import type { Config, RegistryConfig } from '../config/schema.ts';
import { maxHeadMs } from '../http/exchange/head-limit.ts';
import { ProxyChoice } from '../net/dial/proxy-choice.ts';

/** A group of settings with those of one registry in their place, where it has its own. */
export function overridden<Group extends object>(
  group: Group,
  own: { readonly [Key in keyof Group]?: Group[Key] | undefined } | undefined,
): Group {
  const entries = Object.entries(own ?? {}).filter(([, value]) => value !== undefined);
  return { ...group, ...(Object.fromEntries(entries) as Partial<Group>) };
}

/** Upstream's own time-out, which says more, comes first where it is shorter. Milliseconds. */
const graceMs = 250;

/** How long a client waits for a status line, whatever is waited for behind it. Milliseconds. */
export function headLimitMs({ pullTimeout }: Config): number {
  return Math.min(maxHeadMs, pullTimeout + graceMs);
}

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
    verifiesAlways: cache.verifyOnRead === 'always',
    offline: config.airGapped,
    // Nobody is spared by it, and what is brought across the gap is there at once.
    ...(config.airGapped && { freshness: () => 'immutable' as const, negativeTtl: 0 }),
  };
}

/** Of what lives here: it is what it is, and nobody is asked. */
export const hostedPolicy = {
  freshness: () => 'immutable',
  negativeTtl: 0,
  complete: false,
  offline: true,
} as const satisfies Partial<CachePolicy>;

/**
 * Of a registry that is asked in the name of each client: nothing is brought that none has asked for, and that he is told that something is not there may be a way to
 * say that he may not see it.
 */
export const callersPolicy = {
  complete: false,
  onGone: 'notFound',
  ofOneCaller: true,
} as const satisfies Partial<CachePolicy>;

/** By which proxies a registry's hosts are reached. Throws what is wrong with those of the environment. */
export function proxiesOf(
  config: Config,
  registry: RegistryConfig | undefined,
  env: NodeJS.ProcessEnv,
): ProxyChoice {
  const { proxy, noProxy } = overridden(config.upstream, registry?.upstream);
  return new ProxyChoice({ proxy: proxy?.reveal(), noProxy, env });
}

/** Throws what is wrong with the proxies of the environment, before anything listens. */
export function checkProxies(config: Config, env: NodeJS.ProcessEnv): void {
  if (!config.airGapped) proxiesOf(config, undefined, env);
}
