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
    sources.push(sourceOf(issuer, keys, parts.clock));
  }
  return sources;
}

function sourceOf(configured: Issuer, keys: IssuerKeys, clock: Clock): TokenSource {
  const { issuer, clockSkew: clockSkewMs } = configured;
  const tokens = new ForeignTokens({ ...configured, clockSkewMs, keys }, clock);
  return {
    takes: (claimed) => claimed.issuer === issuer,
    prove: async (token) => {
      const payload = await tokens.verify(token);
      return { known: tokens.knownIn(payload), payload };
    },
  };
}

/** They are fetched when the first token comes: an issuer that is away keeps nothing from starting. */
function fetchedKeys(
  { issuer, jwksUrl }: Issuer,
  config: Config,
  { dialling, clock, log }: Parts,
  stack: AsyncDisposableStack,
): IssuerKeys {
  const transport = stack.use(issuerTransport(new URL(jwksUrl ?? issuer), config, { dialling, clock }));
  const fetch = async (): Promise<unknown> => await publishedKeys(issuer, jwksUrl, transport);
  return new RemoteKeys({ issuer, fetch, clock, log }).find;
}
