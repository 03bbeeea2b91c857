import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { ForeignTokens } from '../door/tokens/foreign-tokens.ts';
import type { IssuerKeys } from '../door/tokens/issuer-keys.ts';
import { publishedKeys } from '../door/tokens/published-keys.ts';
import { RemoteKeys } from '../door/tokens/remote-keys.ts';
import type { TokenSource } from '../door/tokens/token-proofs.ts';
import { givenIssuerKeys } from './identity-files.ts';
import { issuerTransport } from './issuer-transport.ts';
import type { Dialling } from './notifying.ts';

type Issuer = NonNullable<Config['auth']>['issuers'][number];

interface Parts {
  readonly dialling: Dialling;
  readonly clock: Clock;
  readonly log: Log;
}

/** Those whose tokens are believed. Throws IdentityFault. */
export async function issuerSources(
  config: Config,
  issuers: readonly Issuer[],
  parts: Parts,
  stack: AsyncDisposableStack,
): Promise<readonly TokenSource[]> {
  const sources: TokenSource[] = [];
  for (const [at, issuer] of issuers.entries()) {
    const keys = (await givenIssuerKeys(issuer, at)) ?? fetchedKeys(issuer, config, parts, stack);
    sources.push(sourceOf(issuer, keys, claimsAsked(config, issuer), parts.clock));
  }
  return sources;
}

function sourceOf(
  configured: Issuer,
  keys: IssuerKeys,
  claims: readonly string[],
  clock: Clock,
): TokenSource {
  const { issuer, clockSkew: clockSkewMs } = configured;
  const tokens = new ForeignTokens({ ...configured, clockSkewMs, claims, keys }, clock);
  return {
    takes: (claimed) => claimed.issuer === issuer,
    prove: async (token) => {
      const payload = await tokens.verify(token);
      return { known: tokens.knownIn(payload), payload };
    },
  };
}

/** By the rules that are about its tokens. */
function claimsAsked({ access = [] }: Pick<Config, 'access'>, { issuer }: Issuer): readonly string[] {
  const names = access.flatMap(({ who }) =>
    typeof who === 'object' && 'claim' in who && (who.issuer ?? issuer) === issuer
      ? Object.keys(who.claim)
      : [],
  );
  return [...new Set(names)];
}

/** They are fetched when the first token comes: an issuer that is away keeps nothing from starting. */
function fetchedKeys(
  { issuer, jwksUrl }: Issuer,
  config: Config,
  { dialling, clock, log }: Parts,
  stack: AsyncDisposableStack,
): IssuerKeys {
  const transport = stack.use(issuerTransport(new URL(jwksUrl ?? issuer), config, { dialling, clock, log }));
  const fetch = async (): Promise<unknown> => await publishedKeys(issuer, jwksUrl, transport);
  return new RemoteKeys({ issuer, fetch, clock, log }).find;
}
