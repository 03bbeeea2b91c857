import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createSecureContext, type SecureContext } from 'node:tls';
import { fileVersions } from '#src/base/file-versions.ts';
import { ContextOfFiles } from '#src/net/dial/context-of-files.ts';
import { TlsTrust } from '#src/net/dial/tls-trust.ts';
import { type KeyPair, TestAuthority } from '#test/fakes/certificates.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { needs } from '#test/setup/needs.ts';

const checkEveryMs = 10_000;

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

describe('the TLS files of a registry', needs('openssl'), () => {
  let authority: TestAuthority;
  let first: KeyPair;
  let second: KeyPair;
  before(async () => {
    authority = await TestAuthority.create();
    first = await authority.issue('first', 'DNS:client');
    second = await authority.issue('second', 'DNS:client');
  });
  after(async () => await authority[Symbol.asyncDispose]());

  /** A client’s certificate and key in a directory of their own. */
  async function start() {
    const directory = await temporaryDirectory();
    const certFile = join(directory.path, 'tls.crt');
    const keyFile = join(directory.path, 'tls.key');
    const put = async (pair: KeyPair): Promise<void> => {
      await copyFile(pair.certFile, certFile);
      await copyFile(pair.keyFile, keyFile);
    };
    await put(first);
    const clock = new FakeClock();
    const log = new LogLines();
    const trust = new TlsTrust({}, { clock, log });
    const context = async () => await trust.context({ caFiles: [authority.caFile], certFile, keyFile });
    return { directory, certFile, put, clock, log, context };
  }

  it('are read again for the connections after a change, and not without one', async () => {
    const { directory, put, clock, context } = await start();
    await using _directory = directory;
    const before = await context();
    await clock.advance(checkEveryMs);
    assert.equal(await context(), before);
    await put(second);
    assert.equal(await context(), before);
    await clock.advance(checkEveryMs);
    const [one, other] = await Promise.all([context(), context()]);
    assert.notEqual(one, before);
    assert.equal(one, other);
    assert.equal(await context(), one);
  });

  it('are tried again though they stay the same: what failed may have been something else', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'ca.crt');
    await copyFile(authority.caFile, file);
    const clock = new FakeClock();
    const log = new LogLines();
    const made: SecureContext[] = [];
    let failures = 0;
    const make = async (): Promise<SecureContext> => {
      if (made.length === 1 && failures < 2) {
        failures += 1;
        throw new Error('too many open files');
      }
      const context = createSecureContext();
      made.push(context);
      return context;
    };
    const context = new ContextOfFiles({ files: [file], make, clock, log });
    await context.get();
    await copyFile(first.certFile, file);
    for (let time = 0; time < 4; time += 1) {
      await clock.advance(checkEveryMs);
      await context.get();
    }
    assert.deepEqual([failures, made.length], [2, 2]);
    assert.equal(await context.get(), made[1]);
    assert.equal(log.at('error').length, 1);
  });

  it('are used on while the file system does not answer for new ones, which is said once, and what it says in the end counts', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'ca.crt');
    await copyFile(authority.caFile, file);
    const clock = new FakeClock();
    const log = new LogLines();
    const contexts = [createSecureContext(), createSecureContext()];
    const answer = Promise.withResolvers<void>();
    let looks = 0;
    const make = async (): Promise<SecureContext> => {
      looks += 1;
      if (looks === 2) await answer.promise;
      return contexts[looks - 1] ?? createSecureContext();
    };
    const context = new ContextOfFiles({ files: [file], make, clock, log });
    const before = await context.get();
    await copyFile(first.certFile, file);
    for (let time = 0; time < 3; time += 1) {
      await clock.advance(checkEveryMs);
      const got = context.get();
      if (time === 0) {
        await until(() => looks === 2);
        await clock.advance(2000);
      }
      assert.equal(await got, before);
    }
    assert.deepEqual([looks, log.at('error').length], [2, 1]);
    assert.match(log.at('error')[0] ?? '', /old ones are used on.*does not answer for .*ca\.crt/s);
    answer.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await context.get(), contexts[1]);
  });

  it('are waited for no longer than five seconds where there were none before, and are there for the next connection', async () => {
    const clock = new FakeClock();
    const answer = Promise.withResolvers<SecureContext>();
    let looks = 0;
    const make = async (): Promise<SecureContext> => {
      looks += 1;
      return await answer.promise;
    };
    const context = new ContextOfFiles({ files: ['/nfs/ca.crt'], make, clock, log: new LogLines() });
    const got = assert.rejects(context.get(), {
      status: 503,
      forOperator: /does not answer .*\/nfs\/ca\.crt$/,
    });
    await until(() => looks === 1);
    await clock.advance(5000);
    await got;
    const next = context.get();
    const made = createSecureContext();
    answer.resolve(made);
    assert.deepEqual([(await next) === made, looks], [true, 1]);
  });

  it('are no pipes, which would be waited for', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'ca.crt');
    execFileSync('mkfifo', [file]);
    for (const [trust, settings] of [
      [new TlsTrust({}), { caFiles: [file] }],
      [new TlsTrust({}), { certFile: file, keyFile: file }],
    ] as const)
      await assert.rejects(trust.context(settings), { code: 'UNAVAILABLE', forOperator: /ca\.crt/ });
    for (const environment of [{ SSL_CERT_FILE: file }, { SSL_CERT_DIR: directory.path }])
      assert.ok(await new TlsTrust(environment).context({}));
  });

  it('are used on while the new ones are being written', async () => {
    const { directory, certFile, put, clock, log, context } = await start();
    await using _directory = directory;
    const before = await context();
    const whole = await readFile(first.certFile, 'utf8');
    for (const text of ['', whole.slice(0, 100), `${whole}${whole.slice(0, 100)}`]) {
      await writeFile(certFile, text);
      await clock.advance(checkEveryMs);
      assert.equal(await context(), before);
    }
    assert.equal(log.at('error').length, 3);
    await put(second);
    await clock.advance(checkEveryMs);
    assert.notEqual(await context(), before);
  });

  it('are other ones when they may be read by others', async () => {
    const { directory, certFile } = await start();
    await using _directory = directory;
    const before = await fileVersions([certFile]);
    await chmod(certFile, 0o640);
    assert.notEqual(await fileVersions([certFile]), before);
  });

  it('are used on while the new ones are broken, which is said once; and changed when they are whole', async () => {
    const { directory, certFile, put, clock, log, context } = await start();
    await using _directory = directory;
    const before = await context();
    await writeFile(certFile, 'broken');
    for (let time = 0; time < 3; time += 1) {
      await clock.advance(checkEveryMs);
      assert.equal(await context(), before);
    }
    assert.equal(log.at('error').length, 1);
    assert.match(log.at('error')[0] ?? '', /old ones are used on.*tls\.crt/s);
    await put(second);
    await clock.advance(checkEveryMs);
    assert.notEqual(await context(), before);
  });
});
