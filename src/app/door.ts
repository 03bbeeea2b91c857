import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { AddressBlocks } from '../door/address-blocks.ts';
import { AccessRules } from '../door/rules/access-rules.ts';
import { DigestPolicy } from '../door/rules/digest-policy.ts';
import type { RepositoryNamed } from '../door/rules/granted.ts';
import { PassingContent } from '../door/rules/passing-content.ts';
import { Policy } from '../door/rules/policy.ts';
import { type Authorise, admitAll } from '../http/authorise.ts';
import { Admission, anonymous, type Identity } from './admission.ts';
import { leadingTags } from './leading-tags.ts';
import { openLimiters } from './limiters.ts';
import type { Store } from './store.ts';

/** The members of `auth` that a listener names. */
type Accepted = Config['listeners'][number]['auth'];

export interface DoorParts {
  readonly store: Pick<Store, 'graph' | 'metadata'>;
  readonly repositoryNamed: RepositoryNamed;
  readonly clock: Clock;
  readonly log: Log;
  /** How callers become known, by what is taken at their door; default: all of it. Undefined: nobody can show who he is. */
  readonly identities?: { at(kinds?: Accepted): Identity } | undefined;
}

/** Who may come in, by the port and by each of `listeners`. */
export interface Door extends AsyncDisposable {
  /** `at`: the number of the listener, or the port. */
  authorise(at: 'port' | number): Authorise;
}

/** Do clients' rules say who may push and delete, and not each repository for itself? */
export function rulesDecide({ auth, access }: Pick<Config, 'auth' | 'access'>): boolean {
  return auth !== undefined || access !== undefined;
}

/** Where nothing of it is configured nobody is asked anything. */
export async function openDoor(config: Config, parts: DoorParts): Promise<Door> {
  if (isOpen(config)) return { authorise: () => admitAll, async [Symbol.asyncDispose]() {} };
  const { identities, repositoryNamed } = parts;
  const limiters = await openLimiters(config, parts);
  const common = {
    ...{ repositoryNamed, rules: rulesOf(config), content: contentOf(config, parts) },
    trustedProxies: new AddressBlocks(config.trustedProxies),
  };
  return {
    authorise: (at) => {
      const kinds = at === 'port' ? undefined : config.listeners[at]?.auth;
      const identity = identities?.at(kinds) ?? anonymous;
      return new Admission({ ...common, identity, limiter: limiters.of(at) }).authorise;
    },
    [Symbol.asyncDispose]: async () => await limiters[Symbol.asyncDispose](),
  };
}

function isOpen(config: Config): boolean {
  const { policy, rateLimit, trustedProxies, listeners } = config;
  const isLimited = rateLimit !== undefined || listeners.some((listener) => listener.rateLimit !== undefined);
  return !rulesDecide(config) && !isLimited && policy.length === 0 && trustedProxies.length === 0;
}

/** Undefined: everybody may pull, and what lives here says who may push. */
export function rulesOf({ auth, access }: Pick<Config, 'auth' | 'access'>): AccessRules | undefined {
  if (access !== undefined) return new AccessRules(access);
  return auth === undefined ? undefined : new AccessRules([withoutAccess]);
}

const withoutAccess = {
  name: 'whoever is known pulls and pushes',
  who: 'known',
  repositories: ['**'],
  actions: ['pull', 'push'],
} as const;

function contentOf({ policy }: Config, { store, clock }: DoorParts): PassingContent | undefined {
  if (policy.length === 0) return undefined;
  const { graph, metadata } = store;
  const rules = new Policy(policy);
  const leading = graph === undefined ? async () => [] : leadingTags({ graph, metadata });
  return new PassingContent(rules, new DigestPolicy(rules, leading, clock));
}
