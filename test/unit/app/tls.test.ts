import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { get } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { basename } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { needs } from '#test/setup/needs.ts';

interface Client {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The status of `/v2/`, asked over TLS with nothing but these certificates. */
async function status(port: number, client: Client, path = '/v2/'): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false, ...client }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
  });
}

describe('the server over TLS', needs('openssl'), () => {
  let authority: TestAuthority;
  let strangers: TestAuthority;
  before(async () => {
    authority = await TestAuthority.create();
    strangers = await TestAuthority.create();
  });
  after(async () => {
    await authority[Symbol.asyncDispose]();
    await strangers[Symbol.asyncDispose]();
  });

  it('shows its certificate, and asks the client for none', async () => {
    await using directory = await temporaryDirectory();
    const { certFile: cert, keyFile: key } = await authority.issue('server', 'IP:127.0.0.1');
    await using app = await runApp({ imagePath: directory.path, serverTlsConfig: { cert, key } });
    assert.match(app.server.url, /^https:/);
    assert.equal(await status(app.server.port, { ca: await readFile(authority.caFile, 'utf8') }), 200);
    await assert.rejects(status(app.server.port, {}), /certificate/);
  });

  it('is apart from that of a door of files, which has a certificate of its own', async () => {
    await using directory = await temporaryDirectory();
    const tls = await strangers.issue('files', 'IP:127.0.0.1');
    const door = { host: '127.0.0.1', port: 0, serve: 'files' as const, directory: import.meta.dirname };
    await using app = await runApp({
      imagePath: directory.path,
      listeners: [{ ...door, tls: { cert: tls.certFile, key: tls.keyFile } }],
    });
    const port = app.listeners[0]?.port ?? 0;
    const path = `/${basename(import.meta.filename)}`;
    assert.match(app.server.url, /^http:/);
    assert.equal(await status(port, { ca: await readFile(strangers.caFile, 'utf8') }, path), 200);
    await assert.rejects(status(port, { ca: await readFile(authority.caFile, 'utf8') }, path), /certificate/);
    const wrong = { ...door, tls: { cert: tls.certFile, key: tls.certFile } };
    await assert.rejects(
      runApp({ imagePath: directory.path, listeners: [wrong] }),
      /listeners\[0\]\.tls\.key: /,
    );
  });

  it('ends though somebody has connected and never begins his handshake', { timeout: 10_000 }, async () => {
    await using directory = await temporaryDirectory();
    const { certFile: cert, keyFile: key } = await authority.issue('server', 'IP:127.0.0.1');
    const settings = {
      imagePath: directory.path,
      serverTlsConfig: { cert, key },
      server: { drainTimeout: '0s' },
    };
    await using app = await runApp(settings);
    const silent = connectPlain({ host: '127.0.0.1', port: app.server.port });
    await once(silent, 'connect');
    // Whoever was accepted behind it has an answer.
    assert.equal(await status(app.server.port, { ca: await readFile(authority.caFile, 'utf8') }), 200);
    const closed = once(silent, 'close');
    await app.stop();
    await closed;
  });

  it('with clientAuth: verify serves only those with a certificate of its authority', async () => {
    await using directory = await temporaryDirectory();
    const { certFile: cert, keyFile: key } = await authority.issue('server', 'IP:127.0.0.1');
    const ca = authority.caFile;
    const serverTlsConfig = { cert, key, ca, clientAuth: 'verify' as const };
    await using app = await runApp({ imagePath: directory.path, serverTlsConfig });
    const trusting = { ca: await readFile(ca, 'utf8') };
    const client = async (by: TestAuthority): Promise<Client> => {
      const pair = await by.issue('client', 'DNS:client');
      return {
        ...trusting,
        cert: await readFile(pair.certFile, 'utf8'),
        key: await readFile(pair.keyFile, 'utf8'),
      };
    };
    assert.equal(await status(app.server.port, await client(authority)), 200);
    await assert.rejects(status(app.server.port, trusting));
    await assert.rejects(status(app.server.port, await client(strangers)));
  });

  it('reads no further what is sent ahead than while it answers, and answers all of it', async () => {
    await using directory = await temporaryDirectory();
    const { certFile: cert, keyFile: key } = await authority.issue('server', 'IP:127.0.0.1');
    await using app = await runApp({ imagePath: directory.path, serverTlsConfig: { cert, key } });
    const ca = await readFile(authority.caFile, 'utf8');
    const socket = connect({ host: '127.0.0.1', port: app.server.port, ca });
    const request = 'GET /v2/ HTTP/1.1\r\nHost: x\r\n';
    socket.write(`${`${request}\r\n`.repeat(1000)}${request}Connection: close\r\n\r\n`);
    const answers = Buffer.concat(await socket.toArray()).toString('latin1');
    assert.equal(answers.split('HTTP/1.1 200').length - 1, 1001);
  });

  it('leaves no connection open to who speaks plain HTTP to it, and never closes', async () => {
    await using directory = await temporaryDirectory();
    const { certFile: cert, keyFile: key } = await authority.issue('server', 'IP:127.0.0.1');
    await using app = await runApp({ imagePath: directory.path, serverTlsConfig: { cert, key } });
    const socket = connectPlain({ host: '127.0.0.1', port: app.server.port, allowHalfOpen: true });
    socket.on('error', () => undefined);
    socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n');
    await socket
      .resume()
      .toArray()
      .catch(() => undefined);
    socket.destroy();
  });

  it('does not start with a key that does not belong to its certificate', async () => {
    await using directory = await temporaryDirectory();
    const { certFile: cert } = await authority.issue('server', 'IP:127.0.0.1');
    const { keyFile: key } = await authority.issue('other', 'IP:127.0.0.1');
    await assert.rejects(
      runApp({ imagePath: directory.path, serverTlsConfig: { cert, key } }),
      /serverTlsConfig\.key: .* is not the key of the certificate/,
    );
  });

  it('does not start without the file of its certificate, and names it', async () => {
    await using directory = await temporaryDirectory();
    const serverTlsConfig = { cert: '/nonexistent/tls.crt', key: '/nonexistent/tls.key' };
    await assert.rejects(runApp({ imagePath: directory.path, serverTlsConfig }), /\/nonexistent\/tls\.crt/);
  });
});
