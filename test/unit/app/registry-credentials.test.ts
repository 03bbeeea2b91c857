import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { registryCredentials } from '#src/app/registry-credentials.ts';
import type { Credential, CredentialProvider } from '#src/credentials/credentials.ts';
import { providers } from '#src/credentials/providers/index.ts';
import { connectionParts } from '#test/fakes/cloud-connections.ts';
import { loadText } from '#test/fakes/config-text.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';

const clock = new FakeClock();
const parts = {
  ...connectionParts(),
  clock,
  random: () => 0,
  log: new LogLines(),
  env: {},
};

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
    const needed: Readonly<Record<string, string>> = { exec: '{ command: x }', file: '{ path: x }' };
    for (const { name } of providers) {
      const options = needed[name] ?? '{}';
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

describe('repositories of one registry with entries of their own in Docker’s configuration', () => {
  it('are pulled with these and no others, though at once, and their tokens are not mixed', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    await using tokens = await FakeTokenServer.start();
    upstream.faults.push(tokens.fault);
    const path = join(directory.path, 'config.json');
    const auth = (user: string) => ({ auth: btoa(`${user}:${secret('password')}`) });
    const { host } = upstream;
    const auths = { [host]: auth('all'), [`${host}/team`]: auth('team'), [`${host}/team/app`]: auth('app') };
    await writeFile(path, JSON.stringify({ auths }));
    const token = { provider: 'dockerConfig' as const, providerOpts: { path } };
    await using app = await runApp({
      imagePath: join(directory.path, 'cache'),
      registries: [{ name: host, scheme: 'http', alias: 'up', auth: { token } }],
    });
    const users = { 'team/app': 'app', 'team/other': 'team', other: 'all', 'team/third': 'team' };
    const repositories = Object.keys(users);
    for (const repository of repositories)
      putImage(upstream.content, upstream.repository(repository), 'v1', []);
    for (let round = 0; round < 2; round += 1) {
      const answers = repositories.map(
        async (name) => (await ask(app.server, `/v2/up/${name}/tags/list`)).status,
      );
      assert.deepEqual(await Promise.all(answers), [200, 200, 200, 200]);
    }
    const asked = tokens.requests.map(({ query, headers }) => [
      new URLSearchParams(query).get('scope'),
      atob((headers.authorization ?? '').replace('Basic ', '')),
    ]);
    assert.deepEqual(
      asked.sort(),
      Object.entries(users)
        .map(([name, user]) => [`repository:${name}:pull`, `${user}:${secret('password')}`])
        .sort(),
    );
  });
});
