import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { registryAccounts } from '#src/app/registry-accounts.ts';
import { registryCredentials } from '#src/app/registry-credentials.ts';
import { connectionParts } from '#test/fakes/cloud-connections.ts';
import { loadText } from '#test/fakes/config-text.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const clock = new FakeClock();
const parts = {
  ...connectionParts(),
  clock,
  random: () => 0,
  log: new LogLines(),
  env: {},
};

/** `user: what is sent for it`, in turn. */
async function accounts(auth: string, warned: readonly string[] = []): Promise<string[] | undefined> {
  const env = { SECOND: 'p2' };
  const { config, warnings } = await loadText(`registries: [{ name: a.io, auth: ${auth} }]`, { env });
  assert.deepEqual(warnings, warned);
  const [registry] = config.registries;
  const first = registryCredentials(registry, parts);
  const named = registryAccounts(registry, first, parts);
  return (
    named &&
    (await Promise.all(
      named.map(async ({ user, credentials }) => {
        const { credential } = await credentials.get();
        return `${user}: ${credential.kind === 'basic' ? credential.password : credential.kind}`;
      }),
    ))
  );
}

describe('who else we are at a registry', () => {
  it('is nobody by default', async () => {
    assert.equal(await accounts('{ user: u, password: p }'), undefined);
    assert.equal(registryAccounts(undefined, registryCredentials(undefined, parts), parts), undefined);
  });

  it('is not named where the token stands in the place of the name', async () => {
    const token = '{ user: ghp_0123456789, passwordFromEnv: SECOND }';
    const named = await accounts(`{ user: ghp_9876543210, password: p, accounts: [${token}] }`);
    assert.deepEqual(named, ['a user whose name is a secret: p', 'a user whose name is a secret: p2']);
  });

  const second = '{ user: u2, passwordFromEnv: SECOND }';
  const third = '{ user: u3, passwordFromEnv: SECOND }';
  it('comes behind who we are in the first place, if we are anybody', async () => {
    assert.deepEqual(await accounts(`{ user: u, password: p, accounts: [${second}] }`), ['u: p', 'u2: p2']);
    assert.deepEqual(await accounts(`{ token: { static: dTpw }, accounts: [${second}] }`), [
      'static: static',
      'u2: p2',
    ]);
    const halves = 'registries: a.io has a user and no password, and is asked by auth.accounts alone';
    assert.deepEqual(await accounts(`{ user: u, accounts: [${second}, ${third}] }`, [halves]), [
      'u2: p2',
      'u3: p2',
    ]);
  });

  it('follows the file that a password is in', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'secret');
    await writeFile(file, 'one\n');
    const { config } = await loadText(
      `registries: [{ name: a.io, auth: { accounts: [{ user: u, passwordFile: "${file}" }] } }]`,
    );
    const [registry] = config.registries;
    const [account] = registryAccounts(registry, registryCredentials(registry, parts), parts) ?? [];
    const password = { kind: 'basic', username: 'u', password: 'one' };
    assert.deepEqual((await account?.credentials.get())?.credential, password);
    await writeFile(file, 'other\n');
    await clock.advance(5000);
    assert.deepEqual((await account?.credentials.get())?.credential, { ...password, password: 'other' });
  });
});
