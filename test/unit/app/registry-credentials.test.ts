import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { registryCredentials } from '#src/app/registry-credentials.ts';
import type { Credential, CredentialProvider } from '#src/upstream/auth/credentials.ts';
import { ProxyChoice } from '#src/upstream/proxy-choice.ts';
import { loadText } from '#test/fakes/config-text.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const clock = new FakeClock();
const parts = { clock, random: () => 0, log: new LogLines(), env: {}, proxies: ProxyChoice.none };

async function credentials(auth: string): Promise<CredentialProvider> {
  const { config } = await loadText(`registries: [{ name: a.io, auth: ${auth} }]`);
  return registryCredentials(config.registries[0], parts);
}

async function credential(auth: string): Promise<Credential> {
  return (await (await credentials(auth)).get()).credential;
}

describe('who we are at a registry', () => {
  it('is nobody by default, and where user or password is missing', async () => {
    for (const auth of ['{}', '{ user: u }', '{ password: p }', '{ token: { expiry: 1h } }']) {
      assert.deepEqual(await credential(auth), { kind: 'anonymous' }, auth);
    }
    assert.deepEqual((await registryCredentials(undefined, parts).get()).credential, { kind: 'anonymous' });
  });

  it('is the user, unless there is a provider, unless there is a static token', async () => {
    assert.deepEqual(await credential('{ user: u, password: p }'), {
      kind: 'basic',
      username: 'u',
      password: 'p',
    });
    assert.equal((await credentials('{ user: u, password: p, token: { provider: ecr } }')).name, 'ecr');
    assert.deepEqual(await credential('{ user: u, password: p, token: { provider: ecr, static: dTpw } }'), {
      kind: 'static',
      authorization: 'Basic dTpw',
    });
  });

  it('is made by each provider', async () => {
    const providers = {
      ecr: '{}',
      'ecr-public': '{}',
      gcp: '{}',
      azure: '{}',
      exec: '{ command: x }',
      dockerConfig: '{}',
      file: '{ path: x }',
    };
    for (const [name, options] of Object.entries(providers)) {
      const made = await credentials(`{ token: { provider: ${name}, providerOpts: ${options} } }`);
      assert.equal(made.name, name);
      await made[Symbol.asyncDispose]?.();
    }
  });

  it('follows the file that the password or the token is in', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'secret');
    const of: [auth: string, expected: (secret: string) => Credential][] = [
      [`{ user: u, passwordFile: "${file}" }`, (password) => ({ kind: 'basic', username: 'u', password })],
      [
        `{ token: { staticFile: "${file}" } }`,
        (text) => ({ kind: 'static', authorization: `Basic ${text}` }),
      ],
    ];
    for (const [auth, expected] of of) {
      await writeFile(file, 'one\n');
      const provider = await credentials(auth);
      assert.deepEqual((await provider.get()).credential, expected('one'));
      await writeFile(file, 'other\n');
      await clock.advance(5000);
      assert.deepEqual((await provider.get()).credential, expected('other'));
    }
  });
});
