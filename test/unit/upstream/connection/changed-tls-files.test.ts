import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TlsTrust } from '#src/upstream/connection/tls-trust.ts';
import { type KeyPair, TestAuthority } from '#test/fakes/certificates.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { needs } from '#test/setup/needs.ts';

const checkEveryMs = 10_000;

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
