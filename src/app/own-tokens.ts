import type { Clock } from '../base/clock.ts';
import type { Config } from '../config/schema.ts';
import { Identification } from '../door/identity/identification.ts';
import type { Passwords } from '../door/identity/passwords.ts';
import type { UserFile } from '../door/identity/user-file.ts';
import { WrongGuesses } from '../door/identity/wrong-guesses.ts';
import { DockerTokenService, type DockerTokenServiceParts } from '../door/tokens/docker-token-service.ts';
import { DockerTokens } from '../door/tokens/docker-tokens.ts';
import type { KeyRing } from '../door/tokens/key-ring.ts';
import { OAuthClients } from '../door/tokens/oauth-clients.ts';
import { OAuthService, type OAuthServiceParts } from '../door/tokens/oauth-service.ts';
import { clientIn, KeySignedTokens, SharedSecretTokens } from '../door/tokens/oauth-tokens.ts';
import { SignedTokens } from '../door/tokens/signed-tokens.ts';
import type { TokenSource } from '../door/tokens/token-proofs.ts';
import { checkScopes, sharedSecret } from './identity-files.ts';

type Auth = NonNullable<Config['auth']>;

/** Of what tokens are made. */
interface Making {
  readonly keys: KeyRing | undefined;
  readonly users?: UserFile | undefined;
  readonly clock: Clock;
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

/** Where they are had, with a password. */
export function dockerService(
  service: string,
  tokens: DockerTokens,
  passwords: Passwords,
  {
    clock,
    ...parts
  }: Omit<DockerTokenServiceParts, 'service' | 'tokens' | 'identification'> & { readonly clock: Clock },
): DockerTokenService {
  const identification = new Identification({ clock, schemes: { basic: passwords.prove } });
  return new DockerTokenService({ ...parts, tokens, service, identification });
}

/** Those of programs, where they are had, and how they are known again. Throws IdentityFault. */
export function oauthOf(
  { publicUrl }: Pick<Config, 'publicUrl'>,
  auth: Auth,
  { keys, clock, addressOf }: Making & Pick<OAuthServiceParts, 'addressOf'>,
): { readonly service: OAuthService; readonly source: TokenSource } | undefined {
  const { oauth, tokenService } = auth;
  if (oauth === undefined) return undefined;
  const issuer = tokenService?.issuer ?? (publicUrl || 'ociregistry');
  const { expiry: lifeMs } = oauth;
  checkScopes(oauth);
  const clients = new OAuthClients(
    oauth.clients.map(({ id, secret, scopes }) => ({ id, secret: secret?.reveal() ?? '', scopes })),
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
  const source: TokenSource = {
    takes: ({ issuer: by, kind, algorithm }) =>
      by === issuer && kind === (isShared ? 'JWT' : 'at+jwt') && (algorithm === 'HS256') === isShared,
    prove: async (token) => {
      const verified = await tokens.verify(token);
      return { known: clientIn(verified, (id) => clients.of(id)), payload: verified.payload };
    },
  };
  return { service: new OAuthService({ clients, tokens, addressOf }), source };
}

function opened(keys: KeyRing | undefined): KeyRing {
  if (keys === undefined) throw new Error('keys are opened before what is signed with them');
  return keys;
}
