import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { ServerCertificates } from '#src/app/server-certificates.ts';
import { loadConfig } from '#src/config/load.ts';
import type { ServerTls } from '#src/http/server.ts';
import { type KeyPair, TestAuthority } from '#test/fakes/certificates.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { needs } from '#test/setup/needs.ts';

const checkEveryMs = 10_000;

/** A log that says when a line of this level has come. */
class AwaitedLog extends LogLines {
  async has(level: 'info' | 'error', count: number): Promise<readonly string[]> {
    for (;;) {
      const lines = this.at(level).filter((line) => line.includes('certificates of the server'));
      if (lines.length >= count) return lines;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** The subject of the certificate that a new connection is shown. */
async function subjectAt(port: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe('the certificates of the server', { ...needs('openssl'), timeout: 60_000 }, () => {
  let authority: TestAuthority;
  let first: KeyPair;
  let second: KeyPair;
  before(async () => {
    authority = await TestAuthority.create();
    first = await authority.issue('first', 'IP:127.0.0.1');
    second = await authority.issue('second', 'IP:127.0.0.1');
  });
  after(async () => await authority[Symbol.asyncDispose]());

  const put = async (folder: string, { certFile, keyFile }: KeyPair): Promise<void> => {
    await copyFile(certFile, join(folder, 'tls.crt'));
    await copyFile(keyFile, join(folder, 'tls.key'));
  };
  const filesIn = (folder: string) => ({ cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') });

  /** `takes` throws where the new ones cannot be used. */
  async function watched(folder: string, clock: FakeClock, log: LogLines, takes = () => {}) {
    const { config } = await loadConfig({ flags: { serverTlsConfig: filesIn(folder) }, env: {} });
    const certificates = await ServerCertificates.open(config, { clock, log });
    assert.ok(certificates);
    const used: ServerTls[] = [];
    const watching = certificates.renew((tls) => {
      takes();
      used.push(tls);
    });
    await clock.untilPausing();
    return { certificates, used, watching };
  }

  const nextCheck = async (clock: FakeClock): Promise<void> => {
    await clock.advance(checkEveryMs);
    await clock.untilPausing();
  };

  it('are read again within ten seconds of a change, and not without one', async () => {
    await using directory = await temporaryDirectory();
    await put(directory.path, first);
    const clock = new FakeClock();
    const { used, watching } = await watched(directory.path, clock, new LogLines());
    await using _watching = watching;
    await nextCheck(clock);
    assert.deepEqual(used, []);
    await put(directory.path, second);
    await nextCheck(clock);
    assert.deepEqual(
      used.map(({ cert }) => cert),
      [await readFile(second.certFile, 'utf8')],
    );
    await nextCheck(clock);
    assert.equal(used.length, 1);
  });

  it('are read again when the link above them is swapped, as Kubernetes does', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string): string => join(directory.path, name);
    for (const [name, pair] of [
      ['1', first],
      ['2', second],
    ] as const) {
      await mkdir(at(name));
      await put(at(name), pair);
    }
    await symlink('1', at('..data'));
    for (const name of ['tls.crt', 'tls.key']) await symlink(join('..data', name), at(name));
    const clock = new FakeClock();
    const { used, watching } = await watched(directory.path, clock, new LogLines());
    await using _watching = watching;
    await symlink('2', at('..data_tmp'));
    await rename(at('..data_tmp'), at('..data'));
    await nextCheck(clock);
    assert.deepEqual(
      used.map(({ cert }) => cert),
      [await readFile(second.certFile, 'utf8')],
    );
  });

  it('stay what they were while the new ones are broken, which is said once; and change when they are whole', async () => {
    await using directory = await temporaryDirectory();
    await put(directory.path, first);
    const clock = new FakeClock();
    const log = new LogLines();
    const { used, watching } = await watched(directory.path, clock, log);
    await using _watching = watching;
    await copyFile(second.certFile, join(directory.path, 'tls.crt'));
    await nextCheck(clock);
    await nextCheck(clock);
    assert.deepEqual(used, []);
    assert.equal(log.at('error').length, 1);
    assert.match(log.at('error')[0] ?? '', /old ones are used on.*is not the key of the certificate/s);
    await rm(join(directory.path, 'tls.key'));
    await nextCheck(clock);
    assert.match(log.at('error')[1] ?? '', /no such file/);
    await copyFile(second.keyFile, join(directory.path, 'tls.key'));
    await nextCheck(clock);
    assert.equal(used.length, 1);
  });

  it('stay what they were when something that is no file takes their place, and the stop does not wait for it', async () => {
    await using directory = await temporaryDirectory();
    await put(directory.path, first);
    const clock = new FakeClock();
    const log = new LogLines();
    const { certificates, used, watching } = await watched(directory.path, clock, log);
    const cert = join(directory.path, 'tls.crt');
    await rm(cert);
    execFileSync('mkfifo', [cert]);
    await nextCheck(clock);
    certificates.readAgain();
    await watching[Symbol.asyncDispose]();
    assert.deepEqual(used, []);
    assert.match(log.at('error')[0] ?? '', /old ones are used on.*tls\.crt.*is no regular file/s);
  });

  it('are tried again though the files stay the same: what failed may have been something else', async () => {
    await using directory = await temporaryDirectory();
    await put(directory.path, first);
    const clock = new FakeClock();
    const log = new LogLines();
    let failures = 0;
    const { certificates, used, watching } = await watched(directory.path, clock, log, () => {
      if (failures === 2) return;
      failures += 1;
      throw new Error('too many open files');
    });
    await using _watching = watching;
    await put(directory.path, second);
    for (let time = 0; time < 3; time += 1) await nextCheck(clock);
    assert.deepEqual(
      used.map(({ cert }) => cert),
      [await readFile(second.certFile, 'utf8')],
    );
    assert.equal(log.at('error').length, 1);
    assert.equal(certificates.tls, used[0]);
  });

  it('are shown to new connections at once when that is asked for, and the others go on', async () => {
    await using directory = await temporaryDirectory();
    await put(directory.path, first);
    const log = new AwaitedLog();
    const imagePath = join(directory.path, 'data');
    await using app = await runApp({ imagePath, serverTlsConfig: filesIn(directory.path) }, { log });
    const { port } = app.server;
    using agent = Object.assign(new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false }), {
      [Symbol.dispose]: () => agent.destroy(),
    });
    const sockets = new Set<TLSSocket>();
    const ask = async (): Promise<number | undefined> =>
      await new Promise((resolve, reject) => {
        const request = get({ host: '127.0.0.1', port, path: '/v2/', agent }, (response) => {
          sockets.add(response.socket as TLSSocket);
          response.resume().on('end', () => resolve(response.statusCode));
        });
        request.on('error', reject);
      });
    assert.deepEqual([await ask(), await subjectAt(port)], [200, 'first']);
    await put(directory.path, second);
    app.certificates?.readAgain();
    await log.has('info', 1);
    assert.deepEqual([await ask(), await subjectAt(port)], [200, 'second']);
    assert.equal(sockets.size, 1);
    await writeFile(join(directory.path, 'tls.crt'), 'broken');
    app.certificates?.readAgain();
    await log.has('error', 1);
    assert.equal(await subjectAt(port), 'second');
  });

  it('of clients are those of the new authorities', async () => {
    await using strangers = await TestAuthority.create();
    await using directory = await temporaryDirectory();
    await put(directory.path, first);
    const ca = join(directory.path, 'ca.crt');
    await copyFile(authority.caFile, ca);
    const client = await strangers.issue('client', 'DNS:client');
    const log = new AwaitedLog();
    const serverTlsConfig = { ...filesIn(directory.path), ca, clientAuth: 'verify' as const };
    const imagePath = join(directory.path, 'data');
    await using app = await runApp({ imagePath, serverTlsConfig }, { log });
    const credentials = { cert: await readFile(client.certFile), key: await readFile(client.keyFile) };
    const ask = async (): Promise<number | undefined> =>
      await new Promise((resolve, reject) => {
        const to = { host: '127.0.0.1', port: app.server.port, path: '/v2/', agent: false };
        get({ ...to, ...credentials, rejectUnauthorized: false }, (response) => {
          response.resume();
          resolve(response.statusCode);
        }).on('error', reject);
      });
    await assert.rejects(ask());
    await copyFile(strangers.caFile, ca);
    app.certificates?.readAgain();
    await log.has('info', 1);
    assert.equal(await ask(), 200);
  });
});
