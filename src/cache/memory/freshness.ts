import { nameGlob } from '../../oci/name-glob.ts';
import type { RepositoryName, Tag } from '../../oci/reference.ts';

/** `immutable`: never asked again; `always`: asked each time; a number: asked again after so many milliseconds. */
export type Freshness = 'immutable' | 'always' | number;

/** `pattern` is a glob on the full repository name, with a tag part after the last colon behind the last slash. */
export interface FreshnessRule {
  readonly pattern: string;
  readonly freshness: Freshness;
}

/** How long an answer for this tag may be served without asking: always the same, and to be remembered by whoever asks often. */
export type FreshnessPolicy = (repository: RepositoryName, tag: Tag) => Freshness;

/** The first rule that matches, else the default. */
export function freshnessPolicy(rules: readonly FreshnessRule[], otherwise: Freshness): FreshnessPolicy {
  const compiled = rules.map(({ pattern, freshness }) => ({ matches: nameGlob(pattern), freshness }));
  return (repository, tag) =>
    compiled.find(({ matches }) => matches(repository, tag))?.freshness ?? otherwise;
}

/** The `checkedAt` of a tag whose upstream contradicted itself: never fresh, kept for an outage only. */
export const notVouchedFor = 0;

/** `age` and a duration in milliseconds. A checkedAt in the future (the clock was set back) is not fresh. */
export function isFresh(freshness: Freshness, checkedAt: number, now: number): boolean {
  if (checkedAt === notVouchedFor) return false;
  if (typeof freshness === 'string') return freshness === 'immutable';
  const age = now - checkedAt;
  return age >= 0 && age < freshness;
}
