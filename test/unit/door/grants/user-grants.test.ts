import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AuthorizationCodes } from '#src/door/grants/authorization-codes.ts';
import { DeviceCodes } from '#src/door/grants/device-codes.ts';
import { RefreshTokens } from '#src/door/grants/refresh-tokens.ts';
import { userGrants } from '#src/door/grants/user-grants.ts';
import type { Grant, Granted } from '#src/door/tokens/grant.ts';
import type { GrantName } from '#src/door/tokens/grant-name.ts';
import type { OAuthClient } from '#src/door/tokens/oauth-clients.ts';
import { Form } from '#src/door/tokens/sent-form.ts';
import { TokenError } from '#src/door/tokens/token-error.ts';
import type { Exchange } from '#src/http/exchange/exchange.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { newPkce } from '#test/fakes/sign-in-app.ts';

const user = { name: 'alice', stamp: 'stamp' };
const client: OAuthClient = {
  ...{ id: 'app', secret: undefined, scopes: [], name: 'app', redirectUris: ['https://a.test'] },
  grants: ['authorization_code', 'refresh_token'],
};

/** Grants for whom the file of users is looked at until the test says that it has been. */
function grants() {
  const clock = new FakeClock();
  const codes = new AuthorizationCodes(clock);
  const refreshTokens = new RefreshTokens(clock);
  const looks: (() => void)[] = [];
  const signIn = {
    user: async () => await Promise.resolve(user),
    isStill: async () => {
      const looked = Promise.withResolvers<void>();
      looks.push(looked.resolve);
      await looked.promise;
      return true;
    },
  };
  const all = userGrants({ signIn, codes, refreshTokens, devices: new DeviceCodes(clock) });
  const ask = async (
    name: Exclude<GrantName, 'client_credentials'>,
    fields: Record<string, string>,
  ): Promise<Granted> => {
    const form = new Form(String(new URLSearchParams(fields)));
    return await (all.get(name) as Grant)({ client, form, exchange: {} as Exchange });
  };
  return { codes, refreshTokens, looks, ask };
}

const refused = (error: unknown): boolean => error instanceof TokenError && error.code === 'invalid_grant';

describe('what is good once', () => {
  it('is a code that another shows while the file of users is looked at: neither gets anything', async () => {
    const { codes, looks, ask } = grants();
    const { verifier, challenge } = newPkce();
    const access = { client: 'app', redirectUri: 'https://a.test', challenge, scopes: [], user };
    const fields = { code: codes.give(access), redirect_uri: 'https://a.test', code_verifier: verifier };
    const first = ask('authorization_code', fields);
    await assert.rejects(async () => await ask('authorization_code', fields), refused);
    looks.shift()?.();
    await assert.rejects(first, refused);
  });

  it('is a refresh token that another shows meanwhile: one gets the next, and the other ends it', async () => {
    const { refreshTokens, looks, ask } = grants();
    const { token } = refreshTokens.begin({ client: 'app', scopes: [], user });
    const answers = [
      ask('refresh_token', { refresh_token: token }),
      ask('refresh_token', { refresh_token: token }),
    ];
    for (const look of looks) look();
    const [first, second] = await Promise.allSettled(answers);
    assert.equal(first?.status, 'fulfilled');
    assert.ok(second?.status === 'rejected' && refused(second.reason));
    const next = (first as PromiseFulfilledResult<Granted>).value.refreshToken;
    await assert.rejects(async () => await ask('refresh_token', { refresh_token: String(next) }), refused);
  });

  it('is a token that is renewed by nobody whom its session ended for meanwhile', async () => {
    const { refreshTokens, looks, ask } = grants();
    const { token, end } = refreshTokens.begin({ client: 'app', scopes: [], user });
    const asked = ask('refresh_token', { refresh_token: token });
    end();
    looks.shift()?.();
    await assert.rejects(asked, refused);
  });
});
