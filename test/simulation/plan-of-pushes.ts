import type { HostedSettings } from '#src/hosted/hosted-rules.ts';
import { hostedHost, parseTag, type RepositoryName, repositoryName, type Tag } from '#src/oci/reference.ts';
import type { Plan } from './plan.ts';
import type { Random } from './random.ts';

export const nothingPushed = { pushers: [], uploadExpiryMs: { team: 60_000, lib: 60_000 } } as const;

/** Where clients push, and by which tags. */
export const hostedRepositories: readonly RepositoryName[] = ['team/app', 'team/web', 'lib/base'].map(
  (path) => repositoryName(hostedHost, path),
);
export const pushedTags: readonly Tag[] = ['v1', 'v2', 'latest', 'fixed-1', 'fixed-2'].map(parseTag);

export function isImmutable(tag: Tag): boolean {
  return tag.startsWith('fixed-');
}

/** What lives here, as the configuration would say it. */
export function hostedSettings({ uploadExpiryMs: { team, lib } }: Plan): readonly HostedSettings[] {
  const both = { open: true, immutableTags: ['fixed-*'] };
  return [
    { ...both, repositories: ['team/*'], uploadExpiry: team },
    { ...both, repositories: ['lib/*'], uploadExpiry: lib },
  ];
}

/** Of what is pushed at once a cache of so many bytes holds some. */
const pushedBytes = 600_000;

/** The same with repositories that live here, and some who push to them. */
export function pushing(plan: Plan, random: Random): Plan {
  const { durationMs } = plan;
  const expiry = (): number => random.pick([2500, 12_000, 60_000]);
  const pushers = Array.from({ length: random.between(1, 4) }, (_, id) => ({
    id,
    comesAt: random.between(0, 1000),
    restMs: Math.max(random.pick([20, 300, 2000]), durationMs / 60),
    chunkMs: random.pick([0, 1, 20]),
    breaks: random.pick([0, 0.2, 0.5]),
  }));
  return {
    ...plan,
    pushers,
    uploadExpiryMs: { team: expiry(), lib: expiry() },
    maxSize: plan.maxSize === 0 ? 0 : plan.maxSize + random.pick([0, pushedBytes]),
  };
}
