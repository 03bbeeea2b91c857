import { askedScopes } from '../tokens/asked-scopes.ts';
import type { Grant, Granted, GrantingUser } from '../tokens/grant.ts';
import type { GrantName } from '../tokens/grant-name.ts';
import type { OAuthClient } from '../tokens/oauth-clients.ts';
import type { Form } from '../tokens/sent-form.ts';
import { TokenError } from '../tokens/token-error.ts';
import type { AuthorizationCodes } from './authorization-codes.ts';
import type { DeviceCodes } from './device-codes.ts';
import { isVerifierOf } from './pkce.ts';
import type { RefreshTokens } from './refresh-tokens.ts';
import type { SignIn } from './sign-in.ts';

export interface UserGrantsParts {
  readonly signIn: Pick<SignIn, 'user' | 'isStill'>;
  readonly codes: AuthorizationCodes;
  readonly devices: DeviceCodes;
  readonly refreshTokens: RefreshTokens;
}

/** The grants by which a client acts in the name of a user. */
export function userGrants(
  parts: UserGrantsParts,
): ReadonlyMap<Exclude<GrantName, 'client_credentials'>, Grant> {
  return new Map([
    ['password', byPassword(parts)],
    ['authorization_code', byCode(parts)],
    ['device_code', byDeviceCode(parts)],
    ['refresh_token', byRefreshToken(parts)],
  ]);
}

/** RFC 6749 section 4.3. */
function byPassword({ signIn, refreshTokens }: UserGrantsParts): Grant {
  return async ({ client, form, exchange }) => {
    const [name, password] = [required(form, 'username'), required(form, 'password')];
    const scopes = askedScopes(client.scopes, form.get('scope'));
    const user = await signIn.user(exchange, name, password);
    if (user === undefined) throw new TokenError('invalid_grant', 'the user or the password is wrong');
    return lasting({ client, scopes, user }, refreshTokens).granted;
  };
}

/** RFC 6749 section 4.1.3, RFC 7636 section 4.6. */
function byCode({ signIn, codes, refreshTokens }: UserGrantsParts): Grant {
  return async ({ client, form }) => {
    const code = required(form, 'code');
    const shown = codes.show(code);
    if (shown === undefined) throw notGood();
    const { access } = shown;
    const isFor = access.client === client.id && access.redirectUri === form.get('redirect_uri');
    if (!isFor || !isVerifierOf(access.challenge, form.get('code_verifier') ?? '')) throw notGood();
    // Somebody may have shown it too while the file was looked at.
    if (!(await signIn.isStill(access.user)) || shown.isReplayed()) throw notGood();
    const { scopes, user } = access;
    const { granted, end } = lasting({ client, scopes, user }, refreshTokens);
    shown.gave(end);
    return granted;
  };
}

/** RFC 8628 section 3.4. */
function byDeviceCode({ signIn, devices, refreshTokens }: UserGrantsParts): Grant {
  return async ({ client, form }) => {
    const { scopes, user } = devices.ask(required(form, 'device_code'), client);
    if (!(await signIn.isStill(user)))
      throw new TokenError('invalid_grant', 'the user is not there any more, or has another password');
    return lasting({ client, scopes, user }, refreshTokens).granted;
  };
}

/** RFC 6749 section 6. */
function byRefreshToken({ signIn, refreshTokens }: UserGrantsParts): Grant {
  return async ({ client, form }) => {
    const token = required(form, 'refresh_token');
    const before = refreshTokens.of(token);
    if (before === undefined) throw notGoodAnyMore();
    const isStill = await signIn.isStill(before.access.user);
    // Once more: another may have shown it meanwhile.
    const session = refreshTokens.of(token);
    if (session === undefined) throw notGoodAnyMore();
    const { access } = session;
    if (!isStill || access.client !== client.id) {
      session.end();
      throw notGoodAnyMore();
    }
    const scopes = askedScopes(access.scopes, form.get('scope'));
    return { scopes, user: access.user, refreshToken: session.renew() };
  };
}

/** With a refresh token, where the client may use it. */
function lasting(
  { client, scopes, user }: { client: OAuthClient; scopes: readonly string[]; user: GrantingUser },
  refreshTokens: RefreshTokens,
): { readonly granted: Granted; readonly end: () => void } {
  if (!client.grants.includes('refresh_token')) return { granted: { scopes, user }, end: () => {} };
  const { token, end } = refreshTokens.begin({ client: client.id, scopes, user });
  return { granted: { scopes, user, refreshToken: token }, end };
}

function required(form: Form, name: string): string {
  const value = form.get(name);
  if (value === undefined) throw new TokenError('invalid_request', `${name} is missing`);
  return value;
}

/** The same for all that can be wrong with it: whoever tries learns nothing. */
function notGood(): TokenError {
  return new TokenError(
    'invalid_grant',
    'the code is not good, not any more, or not for this client, redirect_uri and code_verifier',
  );
}

function notGoodAnyMore(): TokenError {
  return new TokenError('invalid_grant', 'the refresh token is not good any more: sign in again');
}
