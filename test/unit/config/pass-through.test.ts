import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadText, problemsOf } from '#test/fakes/config-text.ts';
import { secret } from '#test/fakes/secrets.ts';

const passing = (more = '') => `registries: [{ name: r.example, authorization: passThrough${more} }]`;
const withOurs =
  'is of no use with authorization: passThrough, where each client shows his own: take one of the two out';

async function messages(text: string): Promise<string[]> {
  return (await problemsOf(text, { env: { P: secret('ours') } })).map((problem) =>
    problem.replace(/^config\.yaml:\d+:\d+: /, ''),
  );
}

describe('a registry that is asked in the name of each client, as it is configured', () => {
  it('is shared where nothing is said, and has its time in which it may be away', async () => {
    const { config } = await loadText('registries: [{ name: r.example }]');
    assert.equal(config.registries[0]?.authorization, 'shared');
    const { config: own, warnings } = await loadText(passing(', staleGrant: 2h'));
    assert.deepEqual([own.registries[0]?.staleGrant, warnings], [7_200_000, []]);
    const { warnings: useless } = await loadText('registries: [{ name: r.example, staleGrant: 1h }]');
    assert.deepEqual(useless, [
      'registries: r.example: staleGrant has no effect without authorization: passThrough',
    ]);
    assert.deepEqual(await messages(passing(', staleGrant: 31d')), [
      'registries[0].staleGrant: must be 30d or less, not "31d"',
    ]);
  });

  it('has no account of ours, but may say which token servers are asked', async () => {
    const ours: [string, ...string[]][] = [
      ['user: me, passwordFromEnv: P', 'user', 'passwordFromEnv'],
      ['token: { provider: ecr }', 'token.provider'],
      ['token: { staticFromEnv: P }', 'token.staticFromEnv'],
      ['accounts: [{ user: me, passwordFromEnv: P }]', 'accounts'],
    ];
    for (const [auth, ...keys] of ours)
      assert.deepEqual(
        await messages(passing(`, auth: { ${auth} }`)),
        keys.map((key) => `registries[0].auth.${key}: ${withOurs}`),
      );
    assert.deepEqual(await messages(passing(', auth: { trustedRealms: [auth.example] }')), []);
  });

  it('has no mirrors', async () => {
    assert.deepEqual(await messages(passing(', endpoints: ["https://mirror.example"]')), [
      'registries[0].endpoints: cannot be used with authorization: passThrough: what a mirror gives says nothing of who may have it',
    ]);
  });

  it('is not asked in the name of whoever has shown a password to this server, nor across an air gap', async () => {
    assert.deepEqual(await messages(`${passing()}\nauth: { basic: { htpasswdFile: /x } }`), [
      'registries[0].authorization: passThrough takes the header Authorization for the registry, where auth takes it for this server: take one of the two out, or run a second server',
    ]);
    assert.deepEqual(await messages(`${passing()}\nairGapped: true`), [
      'registries[0].authorization: passThrough asks the registry for each client, and airGapped asks nobody: take one of the two out',
    ]);
  });
});
