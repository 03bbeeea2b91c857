import { mirrorPlacesOf, type Place, placeOf, registriesByHost } from '../app/registry-upstream.ts';
import type { Config } from '../config/schema.ts';
import { type Identity, identitiesOf } from './identities.ts';
import type { Subject } from './subject.ts';

/** One way to a subject: to the registry itself or to one of its mirrors, as one of those who we are there. */
export interface Walk {
  readonly subject: Subject;
  readonly place: Place;
  /** The mirror, as it stands in `endpoints`; undefined: the registry itself. */
  readonly by: string | undefined;
  readonly identity: Identity;
  /** Its place in the order of `registryAccounts`. */
  readonly account: number;
  /** Of how many. */
  readonly accounts: number;
}

/** All ways that the server has to a subject: first to the registry itself, then to its mirrors in their order. */
export function walksOf(subject: Subject, config: Config): readonly [Walk, ...Walk[]] {
  const registry = registriesByHost(config).get(subject.host);
  const mirrors = mirrorPlacesOf(subject.host, registry, config);
  const [first, ...others] = walksTo(subject, placeOf(subject.host, registry));
  return [
    first,
    ...others,
    ...mirrors.flatMap((place, index) => walksTo(subject, place, registry?.endpoints[index])),
  ];
}

function walksTo(subject: Subject, place: Place, by?: string): readonly [Walk, ...Walk[]] {
  const identities = identitiesOf(place.registry);
  const walk = (identity: Identity, account: number): Walk => ({
    ...{ subject, place, by, identity, account },
    accounts: identities.length,
  });
  const [first, ...others] = identities;
  return [walk(first, 0), ...others.map((identity, index) => walk(identity, index + 1))];
}
