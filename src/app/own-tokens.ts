import type { Clock } from '../base/clock.ts';
import type { Config } from '../config/schema.ts';
import type { Secret } from '../config/secret.ts';
import { metadataPaths, serverMetadata } from '../door/grants/server-metadata.ts';
import type { Identification } from '../door/identity/identification.ts';
import type { UserFile } from '../door/identity/user-file.ts';
import type { DockerTokenServiceParts } from '../door/tokens/docker-token-service.ts';
import { DockerTokens } from '../door/tokens/docker-tokens.ts';
import type { GrantName } from '../door/tokens/grant-name.ts';
import type { KeyRing } from '../door/tokens/key-ring.ts';
import { OAuthClients } from '../door/tokens/oauth-clients.ts';
import { OAuthService } from '../door/tokens/oauth-service.ts';
import { holderOf, KeySignedTokens, SharedSecretTokens } from '../door/tokens/oauth-tokens.ts';
import { SignedTokens } from '../door/tokens/signed-tokens.ts';
import type { Endpoint } from '../door/tokens/token-endpoints.ts';
import type { TokenSource } from '../door/tokens/token-proofs.ts';
import { WrongGuesses } from '../door/wrong-guesses.ts';
import { checkScopes, sharedSecret } from './identity-files.ts';

type Auth = NonNullable<Config['auth']>;

/** Of what tokens are made. */
interface Making {
  readonly keys: KeyRing | undefined;
  readonly users?: UserFile | undefined;
  readonly clock: Clock;
}

interface OAuthMaking extends Making {
  /** Takes passwords alone. Undefined: none are taken. */
  readonly byPassword: Identification | undefined;
  readonly addressOf: DockerTokenServiceParts['addressOf'];
}

/** Docker's, and how they are known again. Undefined: none are issued. */
export function dockerTokens(
  { tokenService }: Auth,
  { keys, users, clock }: Making,
): { readonly tokens: DockerTokens; readonly source: TokenSource } | undefined {
  if (tokenService === undefined || keys === undefined || users === undefined) return undefined;
  const { issuer, service, expiry: lifeMs } = tokenService;
  const hashOf = users.hashOf.bind(users);
  const signed = new SignedTokens({ keys, issuer, clock });
  const tokens = new DockerTokens({ tokens: signed, service, lifeMs, hashOf });
  const source: TokenSource = {
    takes: (claimed) => claimed.issuer === issuer && claimed.kind === 'JWT' && claimed.algorithm !== 'HS256',
    prove: async (token) => await tokens.prove(token),
  };
  return { tokens, source };
}

/** Those of OAuth2, where they are had, and how they are known again. Throws IdentityFault. */
export async function oauthOf(
  { publicUrl }: Pick<Config, 'publicUrl'>,
  auth: Auth,
  { keys, users, byPassword, addressOf, clock }: OAuthMaking,
): Promise<{ readonly endpoints: readonly Endpoint[]; readonly source: TokenSource } | undefined> {
  const { oauth, tokenService } = auth;
  if (oauth === undefined) return undefined;
  // As the metadata says, where there are any (RFC 9068 section 4).
  const issuer = publicUrl || (tokenService?.issuer ?? 'ociregistry');
  const { expiry: lifeMs } = oauth;
  checkScopes(oauth);
  const clients = new OAuthClients(
    oauth.clients.map(({ id, name, public: isPublic, secret, scopes, grants, redirectUris }) => ({
      ...{ id, name: name || id, scopes, grants, redirectUris },
      secret: isPublic ? undefined : revealed(secret),
    })),
    new WrongGuesses(clock),
  );
  const secret = sharedSecret(auth);
  const isShared = secret !== undefined;
  const tokens = isShared
    ? new SharedSecretTokens({ secret, issuer, lifeMs, clock })
    : new KeySignedTokens(
        new SignedTokens({ keys: opened(keys), issuer, clock }),
        tokenService?.service ?? issuer,
        lifeMs,
      );
  const holders = {
    clientOf: (id: string) => clients.of(id),
    hashOf: (user: string) => users?.hashOf(user),
  };
  const source: TokenSource = {
    takes: ({ issuer: by, kind, algorithm }) =>
      by === issuer && kind === (isShared ? 'JWT' : 'at+jwt') && (algorithm === 'HS256') === isShared,
    prove: async (token) => {
      const verified = await tokens.verify(token);
      return { known: undefined, ...holderOf(verified, holders), payload: verified.payload };
    },
  };
  const names = new Set(oauth.clients.flatMap(({ grants }) => grants));
  const ofUsers =
    users === undefined || byPassword === undefined || !asksUsers(names)
      ? undefined
      : (await import('./user-sign-in.ts')).userSignIn(names, {
          ...{ clients, publicUrl, users, identification: byPassword, addressOf, clock },
        });
  const service = new OAuthService({ clients, tokens, addressOf, grants: ofUsers?.grants ?? new Map() });
  const hasPublicClients = oauth.clients.some((client) => client.public);
  const metadata = serverMetadata({
    ...{ publicUrl, grants: names, hasPublicClients, hasKeys: keys !== undefined },
  });
  const endpoints: Endpoint[] = [
    ['POST /token', service.post.bind(service)],
    ['GET /authorize', service.authorize.bind(service)],
    ...metadataPaths(publicUrl).map((path): Endpoint => [`GET ${path}`, () => metadata]),
    // Behind those of the same name, and instead of them.
    ...(ofUsers?.endpoints ?? []),
  ];
  return { endpoints, source };
}

/** Is there a client to which users give what it gets? */
function asksUsers(names: ReadonlySet<GrantName>): boolean {
  return names.size > (names.has('client_credentials') ? 1 : 0);
}

/** Without one it would be taken for a public client. */
function revealed(secret: Secret | undefined): string {
  if (secret === undefined)
    throw new Error('the secrets of clients are there before what knows them by these');
  return secret.reveal();
}

function opened(keys: KeyRing | undefined): KeyRing {
  if (keys === undefined) throw new Error('keys are opened before what is signed with them');
  return keys;
}
