import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as oauth from 'oauth4webapi';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';
import { alice, opened, sent } from '#test/fakes/sign-in-app.ts';
import { asked, password, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';
import { freePort } from './support/free-port.ts';

const clientSecret = secret('of +&% a client');
const scopes = ['repository:team/a:pull'];
const back = 'https://web.test/back';
const plain = { [oauth.allowInsecureRequests]: true } as const;

/** A client library that is strict about what a server answers, and knows nothing of this one but its URL. */
describe('a program that is written with a library', () => {
  let server: TokenApp;
  let url: string;
  let as: oauth.AuthorizationServer;
  let resources: AsyncDisposableStack;
  before(async () => {
    resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const secretFile = join(path, 'secret');
    await writeFile(secretFile, clientSecret);
    const clients = [
      {
        id: 'web',
        secretFile,
        scopes,
        grants: ['authorization_code', 'refresh_token'],
        redirectUris: [back],
      },
      { id: 'cli', public: true, scopes, grants: ['device_code', 'refresh_token'] },
      { id: 'job', secretFile, scopes, grants: ['client_credentials', 'password'] },
    ];
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    server = resources.use(
      await tokenApp(
        { tokenService: undefined, oauth: { clients, signing: { algorithm: 'ES256' } } },
        { more: { port, publicUrl: url } },
      ),
    );
    const issuer = new URL(url);
    const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain });
    as = await oauth.processDiscoveryResponse(issuer, found);
  });
  after(async () => await resources.disposeAsync());

  /** By the published keys, as RFC 9068 has it, and at our own door. */
  const checked = async (access: string): Promise<oauth.JWTAccessTokenClaims> => {
    const headers = { authorization: `Bearer ${access}` };
    assert.equal((await asked(`${url}/v2/team/a/manifests/v1`, { headers })).status, 404);
    assert.equal((await asked(`${url}/v2/team/b/manifests/v1`, { headers })).status, 401);
    return await oauth.validateJwtAccessToken(as, new Request(url, { headers }), url, plain);
  };

  it('sends a user to the login page, takes him back, and comes again without him', async () => {
    const client = { client_id: 'web' };
    const auth = oauth.ClientSecretBasic(clientSecret);
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const at = new URL(String(as.authorization_endpoint));
    at.search = String(
      new URLSearchParams({
        ...{ client_id: 'web', redirect_uri: back, response_type: 'code', state, scope: scopes.join(' ') },
        ...{
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
        },
      }),
    );
    assert.equal((await opened(at.href)).status, 200);
    const { location } = await sent(at.href, alice, { origin: url });
    assert.ok(location !== undefined);
    // Also by whom it was answered (RFC 9207).
    const callback = oauth.validateAuthResponse(as, client, location, state);
    const request = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      auth,
      callback,
      back,
      verifier,
      plain,
    );
    const answer = await oauth.processAuthorizationCodeResponse(as, client, request);
    assert.equal((await checked(answer.access_token)).sub, 'alice');
    const again = await oauth.refreshTokenGrantRequest(as, client, auth, String(answer.refresh_token), plain);
    const renewed = await oauth.processRefreshTokenResponse(as, client, again);
    assert.equal((await checked(renewed.access_token)).sub, 'alice');
    const replayed = await oauth.refreshTokenGrantRequest(
      as,
      client,
      auth,
      String(answer.refresh_token),
      plain,
    );
    await assert.rejects(
      async () => await oauth.processRefreshTokenResponse(as, client, replayed),
      (error) => error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant',
    );
  });

  it('shows a code on a device, and waits until a user has typed it', async () => {
    const client = { client_id: 'cli' };
    const none = oauth.None();
    const begun = await oauth.deviceAuthorizationRequest(
      as,
      client,
      none,
      { scope: scopes.join(' ') },
      plain,
    );
    const device = await oauth.processDeviceAuthorizationResponse(as, client, begun);
    const ask = async (): Promise<oauth.TokenEndpointResponse> => {
      const response = await oauth.deviceCodeGrantRequest(as, client, none, device.device_code, plain);
      return await oauth.processDeviceCodeResponse(as, client, response);
    };
    await assert.rejects(ask, (error) => {
      return error instanceof oauth.ResponseBodyError && error.error === 'authorization_pending';
    });
    const fields = { ...alice, user_code: device.user_code };
    assert.equal((await sent(device.verification_uri, fields, { origin: url })).status, 200);
    assert.partialDeepStrictEqual(await checked((await ask()).access_token), {
      sub: 'alice',
      client_id: 'cli',
    });
  });

  it('asks for itself, or with a password', async () => {
    const client = { client_id: 'job' };
    for (const auth of [oauth.ClientSecretBasic(clientSecret), oauth.ClientSecretPost(clientSecret)]) {
      const own = await oauth.clientCredentialsGrantRequest(as, client, auth, {}, plain);
      const answer = await oauth.processClientCredentialsResponse(as, client, own);
      assert.deepEqual([(await checked(answer.access_token)).sub, answer.refresh_token], ['job', undefined]);
      const user = { username: 'alice', password };
      const asUser = await oauth.genericTokenEndpointRequest(as, client, auth, 'password', user, plain);
      const given = await oauth.processGenericTokenEndpointResponse(as, client, asUser);
      assert.equal((await checked(given.access_token)).sub, 'alice');
    }
    assert.ok(server.log.lines.length > 0);
  });
});
