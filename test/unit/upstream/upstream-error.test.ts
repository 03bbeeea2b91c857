import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { staticCredentials } from '#src/credentials/credentials.ts';
import type { WireEvent } from '#src/net/wire-event.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseDigest, parseRegistryHost, parseTag } from '#src/oci/reference.ts';
import { UpstreamSession } from '#src/upstream/upstream-session.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { someNames } from '#test/fakes/names.ts';
import { openUpstream } from '#test/fakes/open-upstream.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { ScriptedTransport } from '#test/fakes/scripted-transport.ts';
import { secret } from '#test/fakes/secrets.ts';
import { content, json } from '#test/fakes/upstream-answers.ts';
import {
  basicAuth,
  bearerAuth,
  delayed,
  failing,
  redirected,
  stalledAfter,
  times,
} from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const tag = parseTag('v1');
const digest = parseDigest(`sha256:${'0'.repeat(64)}`);
const name = repository('upstream.example/library/alpine');
const retryAfter = { 'Retry-After': '120' };

describe('what upstream answers', () => {
  const rows: [status: number, headers: Record<string, string>, want: object][] = [
    [401, {}, { code: 'DENIED', status: 403 }],
    [403, {}, { code: 'DENIED', status: 403 }],
    [412, {}, { code: 'DENIED', status: 403 }],
    [451, {}, { code: 'DENIED', status: 403 }],
    [415, {}, { code: 'UNSUPPORTED', status: 415 }],
    [429, retryAfter, { code: 'TOOMANYREQUESTS', status: 429, headers: retryAfter }],
    [429, {}, { code: 'TOOMANYREQUESTS', status: 429, headers: {} }],
    [500, {}, { code: 'UNAVAILABLE', status: 502 }],
    [503, retryAfter, { code: 'UNAVAILABLE', status: 502, headers: retryAfter }],
    [504, {}, { code: 'UNAVAILABLE', status: 502 }],
    [418, retryAfter, { code: 'UNAVAILABLE', status: 502, headers: {} }],
    [302, {}, { code: 'UNAVAILABLE', status: 502 }],
    [204, {}, { code: 'UNAVAILABLE', status: 502 }],
  ];
  for (const [status, headers, want] of rows) {
    it(`with ${status} ${JSON.stringify(headers)} is ${JSON.stringify(want)} to us, whatever was asked`, async () => {
      await using made = await UpstreamUnderTest.start();
      const { registry, name } = made;
      made.spoil(failing(status, headers));
      await assert.rejects(registry.resolveManifest(name, tag), want);
      await assert.rejects(registry.getManifest(name, tag), want);
      await assert.rejects(registry.resolveBlob(name, digest), want);
      await assert.rejects(registry.getBlob(name, digest), want);
      await assert.rejects(registry.listTags(name), want);
      await assert.rejects(registry.listReferrers(name, digest), want);
    });
  }

  for (const status of [404, 410]) {
    it(`with ${status} is “not there”, by the code of what was asked for`, async () => {
      await using made = await UpstreamUnderTest.start();
      const { registry, name } = made;
      made.spoil(failing(status));
      await assert.rejects(registry.resolveManifest(name, tag), { code: 'MANIFEST_UNKNOWN', status: 404 });
      await assert.rejects(registry.getManifest(name, tag), { code: 'MANIFEST_UNKNOWN', status: 404 });
      await assert.rejects(registry.resolveBlob(name, digest), { code: 'BLOB_UNKNOWN', status: 404 });
      await assert.rejects(registry.getBlob(name, digest), { code: 'BLOB_UNKNOWN', status: 404 });
      await assert.rejects(registry.listTags(name), { code: 'NAME_UNKNOWN', status: 404 });
      made.spoil(failing(status, {}, 'NAME_UNKNOWN'));
      await assert.rejects(registry.getManifest(name, tag), { code: 'NAME_UNKNOWN', status: 404 });
    });
  }

  it('is quoted in its own words, a little of them, without what would spoil a log', async () => {
    await using made = await UpstreamUnderTest.start();
    const { registry, name, upstream } = made;
    made.spoil(() => json({ errors: [{ code: 'X', message: `no\n\u001b[31m${'x'.repeat(1000)}` }] }, 404));
    await assert.rejects(registry.getManifest(name, tag), (error: Error) => {
      assert.match(error.message, /answered 404: no {2}\[31mx+$/);
      assert.ok(error.message.startsWith(upstream.origin) && error.message.length < 300);
      return true;
    });
  });

  it('is quoted without the credentials that it quotes itself', async () => {
    await using made = await UpstreamUnderTest.start();
    made.spoil(() =>
      json({ errors: [{ code: 'X', message: 'refused: "Bearer abc.def-_~+/=", basic dTpw!' }] }, 403),
    );
    await assert.rejects(made.registry.getManifest(made.name, tag), {
      message: `${made.upstream.origin} answered 403, without credentials: refused: "Bearer …", basic …`,
    });
  });

  const password = secret('päss&word');
  const token = secret('token-0123456789-abcdefghijklmnopqrstuvwxyz');
  const refreshToken = secret('refresh-0123456789');
  const echoes: [how: string, encode: (text: string) => string][] = [
    ['as it is', (text) => text],
    ['in percent-encoding', encodeURIComponent],
    ['in percent-encoding of all', (text) => Buffer.from(text).toString('hex').replaceAll(/../g, '%$&')],
    ['in percent-encoding, twice', (text) => encodeURIComponent(encodeURIComponent(`&${text}`))],
    ['in base64', (text) => Buffer.from(text).toString('base64')],
    ['in base64url behind something', (text) => Buffer.from(`me:${text}`).toString('base64url')],
    ['in escapes of HTML', (text) => text.replaceAll(/./gu, (each) => `&#${each.codePointAt(0)};`)],
  ];
  for (const [how, encode] of echoes) {
    it(`is not quoted where it echoes ${how} what we sent: a password, a token, a refresh token`, async () => {
      await using tokens = await FakeTokenServer.start();
      await using made = await UpstreamUnderTest.start({
        credentials: staticCredentials({ kind: 'basic', username: 'me', password }),
      });
      tokens.spoil(() => json({ token, refresh_token: refreshToken }));
      for (const sent of [password, token, refreshToken]) {
        made.spoil(
          bearerAuth(tokens.realm, () => true),
          () => json({ errors: [{ code: 'DENIED', message: `no: ${encode(sent)}` }] }, 403),
        );
        await assert.rejects(made.registry.getManifest(made.name, tag), {
          code: 'DENIED',
          message: `${made.upstream.origin} answered 403, with the configured credential`,
          forOperator: `${made.upstream.origin} answered 403, as user "me" (and said why, with a secret in it)`,
        });
      }
      made.spoil(failing(401, { 'WWW-Authenticate': 'Basic realm="x"' }), () => assert.fail());
      made.spoil(basicAuth('me', password), () =>
        json({ errors: [{ code: 'DENIED', message: `no: ${encode(password)}` }] }, 403),
      );
      await assert.rejects(made.registry.getManifest(made.name, parseTag('v2')), {
        message: / answered 403, with the configured credential$/,
      });
    });
  }

  it('is not quoted where it echoes a signed URL to which a redirect led', async () => {
    await using storage = await FakeUpstream.start();
    await using made = await UpstreamUnderTest.start();
    const path = `/bucket-of-us/${secret('path')}`;
    for (const echo of [path, encodeURIComponent(path), secret('signature'), btoa(secret('signature'))]) {
      storage.faults.splice(0, 1, () =>
        json({ errors: [{ code: 'X', message: `no such key ${echo}` }] }, 403),
      );
      made.spoil(redirected(() => `${storage.origin}${path}?X-Signature=${secret('signature')}`));
      await assert.rejects(made.registry.getBlob(made.name, digest), {
        message: `${storage.origin} answered 403 (and said why, with a secret in it)`,
      });
    }
    storage.faults.splice(0, 1, () => json({ errors: [{ code: 'X', message: 'no such key' }] }, 403));
    await assert.rejects(made.registry.getBlob(made.name, digest), {
      message: / answered 403: no such key$/,
    });
  });

  it('says as whom it was asked, where that may be why: a user who is refused, one who was a moment ago, nobody', async () => {
    const credentials = staticCredentials({ kind: 'basic', username: 'me', password: secret('wrong') });
    await using known = await UpstreamUnderTest.start({ credentials });
    await using stranger = await UpstreamUnderTest.start();
    for (const [made, who, toClients] of [
      [known, 'as user "me"', 'with the configured credential'],
      [
        known,
        'without user "me", who was refused a moment ago',
        'without the configured credential, which was refused a moment ago',
      ],
      [stranger, 'without credentials', 'without credentials'],
    ] as const) {
      made.spoil(basicAuth('me', secret('right')));
      await assert.rejects(
        made.registry.getManifest(made.name, tag),
        ({ message, forOperator }: RegistryError) => {
          const said = `${made.upstream.origin} answered 401, `;
          assert.ok(forOperator.startsWith(`${said}${who}`), forOperator);
          assert.ok(message.startsWith(`${said}${toClients}`), message);
          return true;
        },
      );
    }
  });

  it('names our account to nobody else, as Docker Hub’s word of a limit does', async () => {
    const credentials = staticCredentials({ kind: 'basic', username: 'me', password: secret('right') });
    await using made = await UpstreamUnderTest.start({ credentials });
    for (const [status, said] of [
      [402, 'me has not paid'],
      [429, "You have reached your pull rate limit as 'me'"],
    ] as const) {
      made.spoil(basicAuth('me', secret('right')), () =>
        json({ errors: [{ code: 'TOOMANYREQUESTS', message: said }] }, status),
      );
      await assert.rejects(made.registry.getManifest(made.name, parseTag(`v${status}`)), {
        message: `${made.upstream.origin} answered ${status}`,
        forOperator: `${made.upstream.origin} answered ${status}: ${said}`,
      });
    }
  });

  it('says so where the port speaks TLS and was asked by plain HTTP, as nginx and Go answer it', async () => {
    await using made = await UpstreamUnderTest.start();
    for (const body of [
      '<center>The plain HTTP request was sent to HTTPS port</center>',
      'Client sent an HTTP request to an HTTPS server.\n',
    ]) {
      made.spoil(() => ({ status: 400, headers: {}, body: [Buffer.from(body)] }));
      await assert.rejects(made.registry.getManifest(made.name, tag), {
        message: `${made.upstream.origin} answered 400 (it speaks TLS on this port; set scheme: https)`,
      });
    }
  });

  it('is an answer whatever its body is', async () => {
    await using made = await UpstreamUnderTest.start();
    for (const body of [
      '',
      'nope',
      'null',
      '[]',
      '{"errors":null}',
      '{"errors":[null]}',
      '{"errors":"x"}',
      '{"errors":[{"message":5}]}',
    ]) {
      made.spoil(() => content(body, 'application/json', {}, 404));
      await assert.rejects(made.registry.getManifest(made.name, tag), {
        code: 'MANIFEST_UNKNOWN',
        message: /answered 404$/,
      });
    }
  });

  it('is asked for three times in all where it may pass', async () => {
    await using made = await UpstreamUnderTest.start();
    made.spoil(failing(503));
    await assert.rejects(made.registry.getManifest(made.name, tag), { status: 502 });
    assert.equal(made.upstream.calls.length, 3);
    made.spoil(times(2, failing(503)));
    await assert.rejects(made.registry.getManifest(made.name, tag), { status: 404 });
    assert.equal(made.upstream.calls.length, 6);
  });
});

describe('no answer', () => {
  it('because nobody listens is 502', async () => {
    const { host, origin } = await closed();
    await using registry = openUpstream({ host, origin });
    await assert.rejects(registry.getManifest(name, tag), {
      code: 'UNAVAILABLE',
      status: 502,
      message: `no answer from ${origin} (connection refused, ECONNREFUSED)`,
    });
  });

  it('because the name is unknown is 502', async () => {
    await using registry = openUpstream(
      { host: parseRegistryHost('registry.invalid'), origin: 'http://registry.invalid' },
      {
        names: someNames({
          resolve: async () => {
            throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
          },
        }),
      },
    );
    await assert.rejects(registry.getManifest(name, tag), { status: 502, message: /ENOTFOUND/ });
  });

  it('because the connection breaks before it is 502, after three tries', async () => {
    await using made = await UpstreamUnderTest.start();
    made.spoil(() => {
      throw new Error('breaks off');
    });
    await assert.rejects(made.registry.getManifest(made.name, tag), { code: 'UNAVAILABLE', status: 502 });
    assert.equal(made.upstream.calls.length, 3);
  });

  it('within pullTimeout is 504, and the connection is not kept', async () => {
    const clock = new FakeClock();
    await using made = await UpstreamUnderTest.start({ clock, pullTimeoutMs: 20_000, maxConcurrent: 1 });
    const never = gate();
    made.spoil(times(1, delayed(never.wait)));
    const asking = assert.rejects(made.registry.getManifest(made.name, tag), {
      code: 'UNAVAILABLE',
      status: 504,
      message: /within 20000 ms/,
    });
    await never.reached;
    await clock.advance(20_000);
    await asking;
    await clock.advance(2000);
    await assert.rejects(made.registry.getManifest(made.name, tag), { status: 404 });
    never.open();
  });

  it('of a token server within pullTimeout is 504 too', async () => {
    const clock = new FakeClock();
    await using tokens = await FakeUpstream.start();
    await using made = await UpstreamUnderTest.start({ clock, pullTimeoutMs: 20_000 });
    const never = gate();
    tokens.faults.push(delayed(never.wait));
    made.spoil(failing(401, { 'WWW-Authenticate': `Bearer realm="${tokens.origin}/token"` }));
    const asking = assert.rejects(made.registry.getManifest(made.name, tag), {
      code: 'UNAVAILABLE',
      status: 504,
    });
    await never.reached;
    await clock.advance(20_000);
    await asking;
    never.open();
  });

  it('that drips its reason is not waited for longer than two seconds', async () => {
    const clock = new FakeClock();
    const origin = new URL('https://upstream.example');
    const session = new UpstreamSession({
      origin,
      clock,
      transport: new ScriptedTransport(() => assert.fail()),
      onOddity: () => undefined,
    });
    const disposed = Promise.withResolvers<never>();
    const refused = session.error(
      {
        status: 404,
        headers: {},
        url: origin,
        body: (async function* () {
          yield Buffer.from('{');
          await disposed.promise;
        })(),
        [Symbol.asyncDispose]: async () => disposed.reject(new Error('disposed of')),
      },
      'MANIFEST_UNKNOWN',
    );
    await clock.untilSleeping();
    await clock.advance(2000);
    assert.ok((await refused) instanceof RegistryError);
    assert.equal(clock.sleeping, 0);
  });

  it('from a mirror is also a manifest that is not whole after ten seconds', async () => {
    const clock = new FakeClock();
    const answered = Promise.withResolvers<void>();
    const mirror = { path: '/v2', of: parseRegistryHost('docker.io') };
    const observe = ({ kind }: WireEvent) => kind === 'exchange' && answered.resolve();
    await using made = await UpstreamUnderTest.start({ clock, mirror, observe });
    const never = gate();
    made.spoil(stalledAfter(10, never.wait));
    putImage(made.upstream.content, made.name, tag, [bytes(100)]);
    const asking = assert.rejects(made.registry.getManifest(made.name, tag), { status: 504 });
    await answered.promise;
    await clock.advance(0);
    await clock.advance(10_000);
    await asking;
    assert.equal(clock.sleeping, 0);
    never.open();
  });
});

/** An upstream that was there a moment ago. */
async function closed() {
  await using upstream = await FakeUpstream.start();
  return { host: upstream.host, origin: upstream.origin };
}
