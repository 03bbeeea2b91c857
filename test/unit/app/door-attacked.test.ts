import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { basicHeader } from '#test/fakes/passwords.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { assertSecretless, secret } from '#test/fakes/secrets.ts';
import { asked, password, posted, service, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';

const alice = basicHeader('alice', password);
const pull = '/v2/team/a/manifests/v1';
const kib = 1024;

/** The status of what is sent as it stands here. 0: the connection was cut before it came, which is no wonder while there is more to send. */
async function statusOf({ url }: TokenApp, head: readonly string[], body = ''): Promise<number> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
  socket.write(`${[...head, 'Host: x', 'Connection: close'].join('\r\n')}\r\n\r\n${body}`);
  await new Promise((resolve) => void socket.once('close', resolve));
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(Buffer.concat(chunks).toString('latin1'))?.[1] ?? 0);
}

describe('a door that is attacked', () => {
  let server: TokenApp;
  let resources: AsyncDisposableStack;
  const clientSecret = secret('of the program');
  before(async () => {
    resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    const secretFile = join(path, 'client');
    await writeFile(secretFile, clientSecret);
    const clients = [{ id: 'program', secretFile, scopes: ['repository:team/a:pull'] }];
    const oauth = { clients, signing: { algorithm: 'ES256' } };
    server = resources.use(await tokenApp({ oauth }));
  });
  after(async () => await resources.disposeAsync());

  const flood = (line: (at: number) => string, bytes: number): string[] => {
    const lines: string[] = [];
    for (let length = 0; length < bytes; length += (lines.at(-1)?.length ?? 0) + 2)
      lines.push(line(lines.length));
    return lines;
  };

  for (const path of [pull, '/v2/', '/v2/token', '/token', '/'])
    it(`refuses headers that are too large or too many, whatever they are: ${path}`, async () => {
      const statuses: number[] = [];
      for (const headers of [
        [`Authorization: Basic ${'YTph'.repeat(5 * kib)}`],
        [`Authorization: Bearer ${'A'.repeat(1024 * kib)}`],
        flood((at) => `X-Flood-${at}: 1`, 64 * kib),
        flood(() => 'Authorization: Bearer a.b.c', 64 * kib),
        flood(() => 'X-Forwarded-For: 192.0.2.1', 64 * kib),
      ])
        statuses.push(await statusOf(server, [`GET ${path} HTTP/1.1`, ...headers]));
      assert.ok(statuses.includes(431), statuses.join());
      assert.ok(
        statuses.every((status) => [431, 0].includes(status)),
        statuses.join(),
      );
    });

  it('takes headers that are just not, and no address of a thousand in a row', async () => {
    const forwarded = flood(() => 'X-Forwarded-For: 192.0.2.1', 15 * kib);
    assert.equal(await statusOf(server, [`GET ${pull} HTTP/1.1`, ...forwarded]), 401);
    assert.equal(
      await statusOf(server, [`GET ${pull} HTTP/1.1`, `Authorization: ${alice}`, ...forwarded]),
      404,
    );
  });

  it('does not choose of two credentials, nor of two hosts', async () => {
    const shown = `Authorization: ${alice}`;
    for (const path of [pull, '/v2/', '/v2/token', '/token', '/cmd/image/list'])
      for (const headers of [
        [shown, `Authorization: ${basicHeader('mallory', secret('wrong'))}`],
        [shown, shown],
        [shown, 'authorization: Bearer a.b.c'],
        [shown, 'Host: y'],
      ])
        assert.equal(await statusOf(server, [`GET ${path} HTTP/1.1`, ...headers]), 400, path);
    assert.equal(await statusOf(server, [`GET ${pull} HTTP/1.1`, shown]), 404);
  });

  it('takes no credential from a URL, and does not write it down', async () => {
    const given = secret('in-a-url');
    const { body } = await asked(`${server.url}/v2/token?scope=repository:team/a:pull`, {
      headers: { authorization: alice },
    });
    const token = String(body['token']);
    for (const query of [
      `access_token=${token}`,
      `token=${token}`,
      `authorization=${encodeURIComponent(alice)}`,
      `password=${given}`,
    ])
      assert.equal(await statusOf(server, [`GET ${pull}?${query} HTTP/1.1`]), 401, query);
    for (const name of ['password', 'client_secret', 'refresh_token', 'access_token', 'token', 'code'])
      for (const [method, path] of [
        ['GET', '/v2/token'],
        ['POST', '/v2/token'],
        ['POST', '/token'],
      ] as const)
        assert.equal(
          await statusOf(server, [`${method} ${path}?${name}=${given} HTTP/1.1`, 'Content-Length: 0']),
          400,
        );
    // In the absolute form of a target too.
    const absolute = `GET http://alice:${given}@x${pull} HTTP/1.1`;
    assert.notEqual(await statusOf(server, [absolute]), 200);
    assertSecretless(server.log, 'the log');
    assert.ok(!server.log.lines.some((line) => line.includes(token)));
  });

  it('reads no megabyte for a token', async () => {
    const field = 'x'.repeat(1024 * kib);
    for (const path of ['/v2/token', '/token'])
      for (const name of [
        'password',
        'client_secret',
        'refresh_token',
        'scope',
        'grant_type',
        field.slice(0, 70 * kib),
      ])
        assert.equal((await posted(`${server.url}${path}`, { [name]: field })).status, 413, path);
  });

  it('waits half a minute for all of a request for a token, however steadily it drips: 408', async () => {
    const clock = new FakeClock();
    const start = clock.now();
    await using slow = await tokenApp({}, { clock });
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(slow.url).port) });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
    const ended = new Promise((resolve) => void socket.once('close', resolve));
    const before = clock.sleeping;
    const form = 'Content-Type: application/x-www-form-urlencoded';
    socket.write(['POST /v2/token HTTP/1.1', 'Host: x', form, 'Content-Length: 5000', '', 'g'].join('\r\n'));
    while (chunks.length === 0) {
      await clock.untilSleeping(before + 1);
      await clock.advance(20_000);
      if (clock.now() > start + 10 * 60_000) break;
      socket.write('r');
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.match(Buffer.concat(chunks).toString('latin1'), /^HTTP\/1\.1 408 /);
    socket.destroy();
    await ended;
  });

  it('refuses what makes no sense in a request for a token: 400, and wrong scopes give nothing', async () => {
    const form = 'Content-Type: application/x-www-form-urlencoded';
    const post = async (path: string, text: string): Promise<number> =>
      await statusOf(server, [`POST ${path} HTTP/1.1`, form, `Content-Length: ${text.length}`], text);
    for (const path of ['/v2/token', '/token'])
      for (const text of [
        '',
        'grant_type',
        'grant_type=',
        'grant_type=nothing',
        'grant_type=password&grant_type=password',
        '%',
        Array.from({ length: 51 }, (_, at) => `a${at}=1`).join('&'),
      ])
        assert.equal(await post(path, text), 400, `${path} ${text.slice(0, 40)}`);
    const program = { grant_type: 'client_credentials', client_id: 'program', client_secret: clientSecret };
    for (const scope of [
      'repository:team/b:pull',
      'repository:team/a:pull,push',
      'repository:team/a/../b:pull',
      'repository:team/%61:pull',
      'repository:team/a:pull\u0000',
      '*',
      '"',
    ])
      assert.deepEqual(
        (({ status, body }) => [status, body['error']])(
          await posted(`${server.url}/token`, { ...program, scope }),
        ),
        [400, 'invalid_scope'],
        scope,
      );
  });
});

describe('a token', () => {
  it('for another audience, of another issuer or of another time is none, though our own key signed it', async () => {
    await using directory = await temporaryDirectory();
    const imagePath = join(directory.path, 'data');
    const clock = new FakeClock();
    const tokens: string[] = [];
    for (const tokenService of [
      { issuer: 'issuer.test', service: 'another.test' },
      { issuer: 'another.test', service },
    ]) {
      await using server = await tokenApp({ tokenService }, { imagePath, clock });
      const { body } = await asked(`${server.url}/v2/token`, { headers: { authorization: alice } });
      tokens.push(String(body['token']));
    }
    await using server = await tokenApp({}, { imagePath, clock });
    const status = async (token: string): Promise<number> =>
      (await asked(`${server.url}/v2/`, { headers: { authorization: `Bearer ${token}` } })).status;
    const { body } = await asked(`${server.url}/v2/token`, { headers: { authorization: alice } });
    const good = String(body['token']);
    assert.equal(await status(good), 200);
    for (const token of tokens) assert.equal(await status(token), 401);
    // Cut off anywhere.
    for (let length = 0; length < good.length; length += 17)
      assert.equal(await status(good.slice(0, length)), 401);
    assert.equal(await status(`${good}${good}`), 401);
    const unsigned = await new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32));
    assert.equal(await status(unsigned), 401);
    await clock.advance(311_000);
    assert.equal(await status(good), 401);
    // Before its time, beyond what clocks may differ.
    const later = String(
      (await asked(`${server.url}/v2/token`, { headers: { authorization: alice } })).body['token'],
    );
    clock.set(clock.now() - 60_000);
    assert.equal(await status(later), 401);
  });
});
