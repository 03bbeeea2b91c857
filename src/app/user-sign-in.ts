import type { Clock } from '../base/clock.ts';
import { AuthorizationCodes } from '../door/grants/authorization-codes.ts';
import { AuthorizePage } from '../door/grants/authorize-page.ts';
import { deviceAuthorization } from '../door/grants/device-authorization.ts';
import { DeviceCodes } from '../door/grants/device-codes.ts';
import { DevicePage } from '../door/grants/device-page.ts';
import { RefreshTokens } from '../door/grants/refresh-tokens.ts';
import { SignIn, type SignInParts } from '../door/grants/sign-in.ts';
import { userGrants } from '../door/grants/user-grants.ts';
import type { UserFile } from '../door/identity/user-file.ts';
import type { Grant } from '../door/tokens/grant.ts';
import type { GrantName } from '../door/tokens/grant-name.ts';
import type { OAuthClients } from '../door/tokens/oauth-clients.ts';
import type { Endpoint } from '../door/tokens/token-endpoints.ts';
import { WrongGuesses } from '../door/wrong-guesses.ts';

export interface UserSignInParts {
  readonly clients: OAuthClients;
  readonly users: UserFile;
  readonly publicUrl: string;
  readonly identification: SignInParts['identification'];
  readonly addressOf: SignInParts['addressOf'];
  readonly clock: Clock;
}

/** How users let programs in, as far as any client has it (`names`). Loaded where one has alone. */
export function userSignIn(
  names: ReadonlySet<GrantName>,
  { clients, users, identification, publicUrl, addressOf, clock }: UserSignInParts,
): { readonly grants: ReadonlyMap<GrantName, Grant>; readonly endpoints: readonly Endpoint[] } {
  const signIn = new SignIn({
    identification,
    hashOf: users.hashOf.bind(users),
    lookAgain: users.check.bind(users),
    addressOf,
  });
  const codes = new AuthorizationCodes(clock);
  const devices = new DeviceCodes(clock);
  const refreshTokens = new RefreshTokens(clock);
  const all = userGrants({ signIn, codes, devices, refreshTokens });
  const endpoints: Endpoint[] = [];
  if (names.has('authorization_code')) {
    const page = new AuthorizePage({ clients, codes, signIn, publicUrl });
    endpoints.push(['GET /authorize', page.get.bind(page)], ['POST /authorize', page.post.bind(page)]);
  }
  if (names.has('device_code')) {
    const page = new DevicePage({ devices, signIn, guesses: new WrongGuesses(clock), publicUrl });
    endpoints.push(
      [
        'POST /device_authorization',
        async (exchange) => await deviceAuthorization(exchange, { clients, devices, signIn, publicUrl }),
      ],
      ['GET /device', page.get.bind(page)],
      ['POST /device', page.post.bind(page)],
    );
  }
  return { grants: new Map([...all].filter(([name]) => names.has(name))), endpoints };
}
