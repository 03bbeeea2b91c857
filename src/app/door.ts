import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { isLimited } from '../config/doors.ts';
import type { Config } from '../config/schema.ts';
import { AddressBlocks } from '../door/address-blocks.ts';
import { clientAddress } from '../door/client-address.ts';
import { type AccessRule, AccessRules } from '../door/rules/access-rules.ts';
import { DigestPolicy } from '../door/rules/digest-policy.ts';
import type { RepositoryNamed } from '../door/rules/granted.ts';
import { PassingContent } from '../door/rules/passing-content.ts';
import { Policy } from '../door/rules/policy.ts';
import { type Authorise, admitAll, callerOf } from '../http/authorise.ts';
import type { TokenPaths } from '../http/token-paths.ts';
import { Admission, anonymous } from './admission.ts';
import { CountedTokens } from './counted-tokens.ts';
import type { Identities } from './identity.ts';
import { leadingTags } from './leading-tags.ts';
import { openLimiters } from './limiters.ts';
import type { Dialling } from './notifying.ts';
import { ownMark } from './own-mark.ts';
import { rulesDecide } from './rules-decide.ts';
import type { Store } from './store.ts';

export interface DoorParts {
  readonly store: Pick<Store, 'graph' | 'metadata'>;
  readonly dialling: Dialling;
  readonly repositoryNamed: RepositoryNamed;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is to be passed there, and where those get tokens who have none. */
interface Way {
  readonly authorise: Authorise;
  /** Undefined: nowhere. */
  readonly tokens: TokenPaths | undefined;
}

/** Who may come in, by the port and by each of `listeners`. */
export interface Door extends AsyncDisposable {
  /** `at`: the number of the listener, or the port. */
  at(at: 'port' | number): Way;
}

/** Where nothing of it is configured nobody is asked anything. Throws an Error that names the key of what cannot be used. */
export async function openDoor(config: Config, parts: DoorParts): Promise<Door> {
  if (isOpen(config))
    return { at: () => ({ authorise: admitAll, tokens: undefined }), async [Symbol.asyncDispose]() {} };
  await using stack = new AsyncDisposableStack();
  const limiters = stack.use(await openLimiters(config, parts));
  const common = {
    ...{ repositoryNamed: parts.repositoryNamed, rules: rulesOf(config), content: contentOf(config, parts) },
    trustedProxies: new AddressBlocks(config.trustedProxies),
    ownMark: ownMark(config),
  };
  const identities = await identitiesOf(config, { ...parts, ...common });
  if (identities !== undefined) stack.use(identities);
  const opened = stack.move();
  return {
    at: (at) => {
      const known = identities?.at(at === 'port' ? config.auth?.atPort : config.listeners[at]?.auth);
      const identity = known ?? anonymous;
      const admission = new Admission({ ...common, identity, limiter: limiters.of(at) });
      const { authorise } = admission;
      return { authorise, tokens: known && new CountedTokens(known.tokens, admission) };
    },
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

/** Loaded where it is configured alone. Undefined: nobody can show who he is. */
async function identitiesOf(
  config: Config,
  {
    rules,
    trustedProxies,
    ...parts
  }: DoorParts & { readonly rules: AccessRules | undefined; readonly trustedProxies: AddressBlocks },
): Promise<Identities | undefined> {
  if (config.auth === undefined || rules === undefined) return undefined;
  const { openIdentities } = await import('./identity.ts');
  return await openIdentities(config, {
    ...parts,
    judge: rules.judge,
    mayList: (subject) => rules.letsIn(subject, 'pull'),
    addressOf: ({ request }) => {
      const { address, forwardedFor } = callerOf(request);
      return clientAddress(address, forwardedFor, trustedProxies);
    },
    certificateOf: ({ request }) => callerOf(request).certificate,
  });
}

function isOpen(config: Config): boolean {
  const { policy, trustedProxies } = config;
  return !rulesDecide(config) && !isLimited(config) && policy.length === 0 && trustedProxies.length === 0;
}

/** Undefined: everybody may pull, and what lives here says who may push. */
export function rulesOf({ auth, access }: Pick<Config, 'auth' | 'access'>): AccessRules | undefined {
  if (access !== undefined) return new AccessRules(access);
  return auth === undefined ? undefined : new AccessRules(withoutAccess);
}

const everywhere = ['**'] as const;
/** A certificate says which machine it is, and is often given to all of them: it pulls at most. */
const withoutAccess: readonly AccessRule[] = [
  {
    name: 'whoever has shown a password or a token pulls and pushes',
    ...{ who: 'account', repositories: everywhere, actions: ['pull', 'push'] },
  },
  { name: 'whoever is known pulls', who: 'known', repositories: everywhere, actions: ['pull'] },
];

function contentOf({ policy }: Config, { store, clock }: DoorParts): PassingContent | undefined {
  if (policy.length === 0) return undefined;
  const { graph, metadata } = store;
  const rules = new Policy(policy);
  const leading = graph === undefined ? async () => [] : leadingTags({ graph, metadata });
  return new PassingContent(rules, new DigestPolicy(rules, leading, clock));
}
