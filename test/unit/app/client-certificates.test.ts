import assert from 'node:assert/strict';
import { copyFile, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { basicHeader } from '#test/fakes/passwords.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { password, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';
import { needs } from '#test/setup/needs.ts';

const alice = basicHeader('alice', password);
const pull = '/v2/team/a/manifests/v1';
const upload = '/v2/team/a/blobs/uploads/';
const access = [
  { name: 'nodes', who: { certificate: 'node-*' }, repositories: ['team/*'], actions: ['pull'] },
  { name: 'alice', who: { user: 'alice' }, repositories: ['team/*'], actions: ['pull', 'push'] },
];

/** What a client shows in its handshake: PEM. */
type Shown = { readonly cert: Buffer; readonly key: Buffer } | undefined;

interface Answered {
  readonly status: number;
  readonly challenge: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
  /** Was the handshake one of before, gone on with? */
  readonly isResumed: boolean;
}

/** Asks over TLS, on a connection of its own unless there is an agent. Rejects where there is none to be had. */
async function ask(
  port: number,
  shown: Shown,
  path: string,
  {
    method = 'GET',
    headers = {},
    agent,
  }: { method?: string; headers?: Record<string, string>; agent?: Agent } = {},
): Promise<Answered> {
  return await new Promise((resolve, reject) => {
    const asking = request(
      {
        ...{ host: '127.0.0.1', port, path, method, headers, ...shown },
        ...{ agent: agent ?? false, rejectUnauthorized: false },
      },
      (response) => {
        const { statusCode: status = 0, headers: got, socket } = response;
        const isResumed = (socket as TLSSocket).isSessionReused();
        response
          .toArray()
          .then((chunks) => {
            const text = Buffer.concat(chunks).toString();
            const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
            resolve({ status, challenge: got['www-authenticate'], body, isResumed });
          })
          .catch(reject);
      },
    );
    asking.on('error', reject);
    asking.end();
  });
}

describe('clients with certificates', { ...needs('openssl'), timeout: 60_000 }, () => {
  let authority: TestAuthority;
  let strangers: TestAuthority;
  let path: string;
  let resources: AsyncDisposableStack;
  let serverTlsConfig: { cert: string; key: string; ca: string; clientAuth: string };
  before(async () => {
    resources = new AsyncDisposableStack();
    authority = resources.use(await TestAuthority.create());
    strangers = resources.use(await TestAuthority.create());
    ({ path } = resources.use(await temporaryDirectory()));
    const { certFile: cert, keyFile: key } = await authority.issue('server', 'IP:127.0.0.1');
    serverTlsConfig = { cert, key, ca: authority.caFile, clientAuth: 'verify' };
  });
  after(async () => await resources.disposeAsync());

  const certificate = async (
    name: string,
    by = authority,
    more: { expired?: boolean; subject?: string } = {},
  ): Promise<NonNullable<Shown>> => {
    const { certFile, keyFile } = await by.issue(name, `DNS:${name}.test`, more);
    return { cert: await readFile(certFile), key: await readFile(keyFile) };
  };
  const started = async (auth: object, more: object = {}): Promise<TokenApp> =>
    await tokenApp(auth, { more: { serverTlsConfig, access, ...more } });
  const basicAlone = { tokenService: undefined };

  it('are to the rules who their certificates say, each for himself, and stand so in the log', async () => {
    await using server = await started(basicAlone);
    const { port } = server.app.server;
    const node = await certificate('node-1');
    assert.equal((await ask(port, node, pull)).status, 404);
    assert.partialDeepStrictEqual(await ask(port, await certificate('other'), pull), {
      status: 401,
      challenge: 'Basic realm="ociregistry",charset="UTF-8"',
    });
    assert.equal((await ask(port, node, '/v2/team/a/b/manifests/v1')).status, 401);
    assert.equal((await ask(port, node, upload, { method: 'POST' })).status, 401);
    const isTold = (line: string): boolean =>
      /status: 404.*subject: 'node-1'.*repository: 'team\/a'.*rule: 'nodes'/s.test(line);
    while (!server.log.lines.some(isTold)) await new Promise((resolve) => setImmediate(resolve));
  });

  it('are asked by /v2/ for more, and are users once they show a password beside it', async () => {
    await using server = await started(basicAlone);
    const { port } = server.app.server;
    const node = await certificate('node-1');
    const asks = { status: 401, challenge: 'Basic realm="ociregistry",charset="UTF-8"' };
    assert.partialDeepStrictEqual(await ask(port, node, '/v2/'), asks);
    const headers = { authorization: alice };
    assert.equal((await ask(port, node, '/v2/', { headers })).status, 200);
    assert.equal((await ask(port, node, upload, { method: 'POST', headers })).status, 202);
    const wrong = { authorization: basicHeader('alice', 'wrong') };
    assert.partialDeepStrictEqual(await ask(port, node, pull, { headers: wrong }), asks);
    // What Podman sends that has been asked and has no password.
    const none = { authorization: basicHeader('', '') };
    assert.equal((await ask(port, node, pull, { headers: none })).status, 404);
    assert.equal((await ask(port, node, upload, { method: 'POST', headers: none })).status, 401);
  });

  it('are asked for nothing at a door where nothing can be shown besides', async () => {
    const listeners = [{ host: '127.0.0.1', port: 0, serve: 'registry', auth: [], tls: serverTlsConfig }];
    await using server = await started(basicAlone, { serverTlsConfig: {}, listeners });
    const port = server.app.listeners[0]?.port ?? 0;
    const node = await certificate('node-1');
    assert.equal((await ask(port, node, '/v2/')).status, 200);
    assert.equal((await ask(port, node, pull)).status, 404);
    assert.equal((await ask(port, node, upload, { method: 'POST' })).status, 403);
  });

  it('get a token for what their certificate is good for, which is good with it alone', async () => {
    await using server = await started({});
    const { port } = server.app.server;
    const node = await certificate('node-1');
    const unknown = await ask(port, node, '/v2/');
    assert.match(unknown.challenge ?? '', /^Bearer realm=/);
    const tokenOf = async (shown: Shown, actions: string): Promise<Answered> =>
      await ask(port, shown, `/v2/token?scope=repository:team/a:${actions}`);
    const { status, body } = await tokenOf(node, 'pull,push');
    assert.deepEqual([status, body['scope']], [200, 'repository:team/a:pull']);
    const headers = { authorization: `Bearer ${String(body['token'])}` };
    assert.equal((await ask(port, node, '/v2/', { headers })).status, 200);
    assert.equal((await ask(port, node, pull, { headers })).status, 404);
    assert.match(
      (await ask(port, node, upload, { method: 'POST', headers })).challenge ?? '',
      /^Bearer .*scope="repository:team\/a:pull,push"/,
    );
    assert.equal((await ask(port, node, '/v2/team/b/manifests/v1', { headers })).status, 401);
    const other = await certificate('other');
    assert.equal((await ask(port, other, pull, { headers })).status, 401);
    assert.equal((await tokenOf(other, 'pull')).status, 401);
    // With a password beside it he is that user.
    const user = await ask(port, node, '/v2/token?scope=repository:team/a:push', {
      headers: { authorization: alice },
    });
    const pushes = { authorization: `Bearer ${String(user.body['token'])}` };
    assert.equal((await ask(port, node, upload, { method: 'POST', headers: pushes })).status, 202);
  });

  it('get no connection without one, with one that has expired, or with one of somebody else', async () => {
    await using server = await started(basicAlone);
    const { port } = server.app.server;
    const headers = { authorization: alice };
    for (const shown of [
      undefined,
      await certificate('node-1', authority, { expired: true }),
      await certificate('node-1', strangers),
    ])
      await assert.rejects(ask(port, shown, pull, { headers }));
    assert.equal((await ask(port, await certificate('node-1'), pull, { headers })).status, 404);
  });

  it('of another authority are let in where a listener has that, and there alone', async () => {
    const tls = { ...serverTlsConfig, ca: strangers.caFile };
    const listeners = [{ host: '127.0.0.1', port: 0, serve: 'registry', tls }];
    await using server = await started(basicAlone, { listeners });
    const doors = [server.app.server.port, server.app.listeners[0]?.port ?? 0];
    const shown = [await certificate('node-1'), await certificate('node-1', strangers)];
    for (const [at, port] of doors.entries())
      for (const [by, certificates] of shown.entries())
        if (at === by) assert.equal((await ask(port, certificates, pull)).status, 404);
        else await assert.rejects(ask(port, certificates, pull));
  });

  it('go on with a handshake of before as who they are, and not any more once their authority is another', async () => {
    const ca = join(path, 'ca.crt');
    await copyFile(authority.caFile, ca);
    await using server = await started(basicAlone, { serverTlsConfig: { ...serverTlsConfig, ca } });
    const { port } = server.app.server;
    const node = await certificate('node-1');
    using agent = Object.assign(new Agent(), { [Symbol.dispose]: () => agent.destroy() });
    assert.partialDeepStrictEqual(await ask(port, node, pull, { agent }), { status: 404, isResumed: false });
    assert.partialDeepStrictEqual(await ask(port, node, pull, { agent }), { status: 404, isResumed: true });
    await copyFile(strangers.caFile, ca);
    server.app.certificates?.readAgain();
    const isRead = (line: string): boolean => line.includes('certificates of the server were read again');
    while (!server.log.lines.some(isRead)) await new Promise((resolve) => setImmediate(resolve));
    await assert.rejects(ask(port, node, pull, { agent }));
    assert.equal((await ask(port, await certificate('node-2', strangers), pull)).status, 404);
  });

  it('are nobody by what a proxy says of a certificate', async () => {
    await using server = await started(basicAlone, { serverTlsConfig: {}, trustedProxies: ['127.0.0.1'] });
    const said = {
      'X-SSL-Client-CN': 'node-1',
      'X-SSL-Client-Verify': 'SUCCESS',
      'X-Client-Certificate': 'node-1',
      'X-Forwarded-Client-Cert': 'Subject="CN=node-1"',
      'X-Forwarded-Tls-Client-Cert-Info': 'Subject="CN=node-1"',
      'Client-Cert': ':bm9kZS0x:',
    };
    assert.equal((await fetch(server.url + pull, { headers: said })).status, 401);
  });

  it('are nobody by a certificate with several names, or with none', async () => {
    await using server = await started(basicAlone);
    const { port } = server.app.server;
    for (const subject of ['/CN=node-1/CN=node-2', '/O=node-1', '/CN=node-1/CN=other'])
      assert.equal(
        (await ask(port, await certificate('odd', authority, { subject }), pull)).status,
        401,
        subject,
      );
  });
});
