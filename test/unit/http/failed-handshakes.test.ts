import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Log } from '#src/base/log.ts';
import { type RunningServer, type ServerTls, startServer } from '#src/http/server.ts';
import { openLogger } from '#src/observe/logger.ts';
import { type KeyPair, TestAuthority } from '#test/fakes/certificates.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { find } from '#test/setup/components.ts';
import { needs } from '#test/setup/needs.ts';

async function serving(log: Log, tls?: ServerTls, clock = new FakeClock()): Promise<RunningServer> {
  const listener: Parameters<typeof startServer>[0] = (_request, response) => void response.end();
  const address = { host: '127.0.0.1', port: 0 };
  return await startServer(listener, {
    ...address,
    tls,
    maxConnections: 100,
    idleTimeoutMs: 10_000,
    clock,
    log,
  });
}

async function line(log: LogLines): Promise<string> {
  for (;;) {
    const [first] = log.at('error');
    if (first !== undefined) return first;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** All that a connection brings until it ends. */
async function closed(socket: ReturnType<typeof connect>): Promise<void> {
  socket.on('error', () => undefined).resume();
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

describe('a client that gets no connection', { ...needs('openssl'), timeout: 60_000 }, () => {
  let authority: TestAuthority;
  let pair: KeyPair;
  let tls: ServerTls;
  before(async () => {
    authority = await TestAuthority.create();
    pair = await authority.issue('server', 'IP:127.0.0.1');
    const [cert, key] = await Promise.all([readFile(pair.certFile, 'utf8'), readFile(pair.keyFile, 'utf8')]);
    tls = { cert, key, ca: await readFile(authority.caFile, 'utf8'), clientAuth: 'none' };
  });
  after(async () => await authority[Symbol.asyncDispose]());

  for (const version of ['-tls1_2', '-tls1_3'])
    it(`because it does not know the authority of our certificate is told of (${version})`, async () => {
      const log = new LogLines();
      await using server = await serving(log, tls);
      const options = ['-connect', `127.0.0.1:${server.port}`, '-verify_return_error', '-no-CAfile'];
      const client = spawn(String(find('openssl')), ['s_client', version, '-no-CApath', ...options], {
        stdio: 'ignore',
      });
      assert.match(await line(log), /clients do not trust the certificate.*client: '127\.0\.0\.1'/s);
      if (client.exitCode === null) await once(client, 'exit');
    });

  it('because it speaks plain HTTP at a TLS port is told of', async () => {
    const log = new LogLines();
    await using server = await serving(log, tls);
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n');
    await closed(socket);
    assert.match(await line(log), /clients speak plain HTTP at this port.*port: \d+/s);
  });

  it('because it speaks TLS at a plain port is told of, once a minute, with how many there were', async () => {
    const log = new LogLines();
    const clock = new FakeClock();
    await using server = await serving(log, undefined, clock);
    for (let count = 0; count < 5; count += 1)
      await closed(connectTls({ host: '127.0.0.1', port: server.port }));
    assert.match(
      log.at('error').join(),
      /^error clients speak TLS at this port, which is plain HTTP.*port: \d+/s,
    );
    assert.equal(log.at('error').length, 1);
    await clock.advance(60_000);
    assert.match(log.at('error')[1] ?? '', /times: 4/);
  });

  it('is told of by the program’s own logger, and the server goes on', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'log');
    const { log } = await openLogger({ level: 'error', file, format: 'json' });
    await using server = await serving(log);
    await closed(connectTls({ host: '127.0.0.1', port: server.port }));
    assert.match(await readFile(file, 'utf8'), /^\{"level":"error".*"msg":"clients speak TLS at this port/);
  });

  it('for want of a certificate, or for one that is not believed, is told of', async () => {
    await using strangers = await TestAuthority.create();
    const stranger = await strangers.issue('client', 'DNS:client');
    const [cert, key] = await Promise.all([readFile(stranger.certFile), readFile(stranger.keyFile)]);
    for (const [credentials, message] of [
      [{}, /clients show no certificate, which clientAuth wants/],
      [{ cert, key }, /clients show a certificate that is not believed.*code: '\w+'/s],
    ] as const) {
      const log = new LogLines();
      await using server = await serving(log, { ...tls, clientAuth: 'verify' });
      const to = { host: '127.0.0.1', port: server.port, rejectUnauthorized: false };
      await closed(connectTls({ ...to, ...credentials }));
      assert.match(await line(log), message);
    }
  });

  it('because it only looks whether somebody is there, or sends what is no HTTP, is nobody’s matter', async () => {
    const log = new LogLines();
    await using secure = await serving(log, tls);
    await using plain = await serving(log);
    await closed(connect(secure.port, '127.0.0.1').end());
    await closed(connect(plain.port, '127.0.0.1').end('hello\r\n\r\n'));
    const socket = connectTls({ host: '127.0.0.1', port: secure.port, ca: tls.ca });
    await once(socket, 'secureConnect');
    await closed(socket.end());
    assert.deepEqual(log.lines, []);
  });
});
