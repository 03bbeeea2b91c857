import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { azureSource } from '#src/credentials/providers/azure.ts';
import { CloudRule, type Reach } from '#src/credentials/providers/cloud-rule.ts';
import { gcpSource } from '#src/credentials/providers/gcp.ts';
import type { Connect } from '#src/credentials/providers/provider.ts';
import type { AddressRule } from '#src/net/dial/address-rule.ts';
import type { TransportRequest } from '#src/net/transport.ts';
import { RegistryError } from '#src/oci/error.ts';
import { connections } from '#test/fakes/cloud-connections.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeCloud } from '#test/fakes/fake-clouds.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { someNames } from '#test/fakes/names.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { addressOf } from '#test/fakes/scripted-names.ts';
import { json } from '#test/fakes/upstream-answers.ts';

const url = new URL('https://token.example.com/token');
const open = '203.0.114.7';
const inner = '10.1.2.3';
/** Where clouds and their containers tell machines who they are. */
const google = '169.254.169.254';
const others = ['169.254.170.2', '169.254.170.23', 'fd00:ec2::254', '100.100.100.200', '168.63.129.16'];

function allowed(rule: AddressRule, ...addresses: string[]): readonly string[] {
  return addresses.filter((address) => {
    try {
      return rule.allowed(url, [address]).length > 0;
    } catch (error) {
      assert.ok(
        error instanceof RegistryError && error.code === 'DENIED' && !error.message.includes(address),
      );
      return false;
    }
  });
}

describe('where a source of credentials may ask', () => {
  const all = [open, inner, '127.0.0.1', '::1', google, ...others];
  const reaches: [reach: Reach, addresses: string[], whom: string][] = [
    ['public', [open, google], 'a file names'],
    ['private', [open, inner, '127.0.0.1', '::1', google], 'a cloud’s documentation names'],
    ['anywhere', all, 'the environment names'],
  ];
  for (const [reach, addresses, whom] of reaches) {
    it(`is ${reach} for whom ${whom}, and the cloud’s own metadata service`, () => {
      const rule = new CloudRule({ who: 'gcp', reach, metadata: [google], log: new LogLines() });
      assert.deepEqual(allowed(rule, ...all), addresses);
      assert.deepEqual(
        rule.allowed(url, [open, others[0] ?? '']),
        reach === 'anywhere' ? [open, others[0]] : [open],
      );
    });
  }

  it('is told to the log alone where it is refused, by address', () => {
    const log = new LogLines();
    const rule = new CloudRule({ who: 'gcp', reach: 'public', metadata: [], log });
    assert.throws(() => rule.allowed(url, [inner]), {
      status: 403,
      message: 'no credentials from gcp: the address of https://token.example.com is not public',
    });
    assert.match(log.lines.join(), /10\.1\.2\.3/);
    assert.throws(() => rule.checkUrl(new URL('http://169.254.169.254/')), { code: 'DENIED' });
    assert.throws(() => rule.checkUrl(new URL('http://metadata.google.internal/')), { code: 'DENIED' });
  });
});

/** Connections that answer everything, and know what would have been asked by which rule. */
function scripted() {
  const asked: { request: TransportRequest; rule: AddressRule }[] = [];
  const connect: Connect = (rule) => ({
    async ask(request) {
      asked.push({ request, rule });
      const answer = { access_token: 'a', refresh_token: 'r', expires_in: 3600 };
      return {
        status: 200,
        headers: { 'metadata-flavor': 'Google' },
        body: Buffer.from(JSON.stringify(answer)),
      };
    },
    async [Symbol.asyncDispose]() {},
  });
  return { connect, asked, parts: { connect, clock: new FakeClock(), log: new LogLines() } };
}

const signal = AbortSignal.timeout(60_000);

describe('a cloud’s metadata service', () => {
  it('of Google is asked by its provider at its two addresses, or where the network has put its name', async () => {
    const { parts, asked } = scripted();
    await gcpSource({ ...parts, env: { HOME: '/nonexistent' } }).fetch(signal);
    const [first] = asked;
    assert.equal(first?.request.url.host, 'metadata.google.internal');
    const expected = [google, 'fd20:ce::254', inner];
    assert.deepEqual(allowed(first.rule, ...expected, ...others), expected);
  });

  it('of Azure is asked by its provider at its address', async () => {
    const { parts, asked } = scripted();
    const origin = new URL('https://example.azurecr.io');
    await azureSource({ ...parts, origin, env: {} }).fetch(signal);
    const [first] = asked;
    assert.equal(first?.request.url.origin, 'http://169.254.169.254');
    assert.deepEqual(allowed(first.rule, google, 'fd20:ce::254', ...others), [google]);
  });

  it('that the environment names is asked wherever it is, as those of containers are', async () => {
    const { parts, asked } = scripted();
    const env = { IDENTITY_ENDPOINT: 'http://169.254.129.4:8081/msi/token', IDENTITY_HEADER: 'proof' };
    await azureSource({ ...parts, origin: new URL('https://example.azurecr.io'), env }).fetch(signal);
    assert.deepEqual(asked[0] && allowed(asked[0].rule, '169.254.129.4'), ['169.254.129.4']);
  });
});

/** A key file of Google, whose token server is at this URL, by names as the test says. */
async function keyFile(at: (cloud: FakeCloud) => string, more: (cloud: FakeCloud) => object = () => ({})) {
  await using stack = new AsyncDisposableStack();
  const cloud = stack.use(await FakeCloud.start());
  const { path } = stack.use(await temporaryDirectory());
  cloud.answer = () => json({ access_token: 's3cret-in-tests-access', expires_in: 600 });
  const user = { type: 'authorized_user', client_id: 'c', client_secret: 's', refresh_token: 'r' };
  const file = join(path, 'key.json');
  await writeFile(file, JSON.stringify({ ...user, token_uri: at(cloud), ...more(cloud) }));
  const names = someNames({ resolve: async () => [addressOf('127.0.0.1')] });
  const opened = stack.move();
  return {
    cloud,
    names,
    ask: async (connect: Connect = connections({ names })) =>
      await gcpSource({ keyFile: file, env: {}, clock: new FakeClock(), log: new LogLines(), connect }).fetch(
        signal,
      ),
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

describe('what a key file names', () => {
  it('is refused at an address that is not public, and nothing of the key is sent', async () => {
    await using test = await keyFile(({ port }) => `http://token.example:${port}/token`);
    await assert.rejects(test.ask(), {
      code: 'DENIED',
      message: `no credentials from gcp: the address of http://token.example:${test.cloud.port} is not public`,
    });
    assert.equal(test.cloud.requests.length, 0);
  });

  it('is refused at the metadata service of another cloud', async () => {
    for (const address of ['100.100.100.200', '168.63.129.16', '[fd00:ec2::254]', '169.254.170.2']) {
      await using test = await keyFile(() => `http://${address}/token`);
      await assert.rejects(test.ask(), { code: 'DENIED', message: /is not public$/ });
    }
  });

  it('may be at a private address where it is Google’s own, which TLS proves', async () => {
    const at = { 'https://oauth2.googleapis.com/token': [inner], 'https://googleapis.com.example/token': [] };
    for (const [token, expected] of Object.entries(at)) {
      await using test = await keyFile(() => token);
      const { connect, asked } = scripted();
      await test.ask(connect);
      assert.deepEqual(asked[0] && allowed(asked[0].rule, inner), expected, token);
    }
  });

  it('gives a subject token on this machine itself, and not elsewhere in its network', async () => {
    const external = (host: string) => (cloud: FakeCloud) => ({
      ...{
        type: 'external_account',
        audience: 'a',
        subject_token_type: 't',
        token_url: `${cloud.origin}/token`,
      },
      credential_source: { url: `http://${host}:${cloud.port}/subject` },
    });
    await using local = await keyFile(({ origin }) => origin, external('localhost'));
    await local.ask(connections({ names: local.names, admits: local.cloud.origin }));
    assert.deepEqual(
      local.cloud.requests.map(({ path }) => path),
      ['/subject', '/token'],
    );
    await using inNetwork = await keyFile(({ origin }) => origin, external('subject.internal'));
    const connect = connections({ names: inNetwork.names, admits: inNetwork.cloud.origin });
    await assert.rejects(inNetwork.ask(connect), { code: 'DENIED' });
    assert.equal(inNetwork.cloud.requests.length, 0);
  });

  it('leads nowhere else: a redirect to a metadata service is a refusal', async () => {
    await using test = await keyFile(({ origin }) => `${origin}/token`);
    test.cloud.answer = () => json({}, 307, { Location: 'http://169.254.169.254/latest/meta-data/' });
    await assert.rejects(test.ask(connections({ admits: test.cloud.origin })), {
      code: 'DENIED',
      message: /answered 307$/,
    });
    assert.equal(test.cloud.requests.length, 1);
  });
});
