import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Credential, staticCredential } from '#src/credentials/credentials.ts';
import { asWhom } from '#src/credentials/identity.ts';
import { challenged, grants, ScriptedAuth, wantsBearer } from '#test/fakes/scripted-auth.ts';
import { secret } from '#test/fakes/secrets.ts';

const user: Credential = { kind: 'basic', username: 'u', password: secret('p') };
const refused = 'the credential for upstream is refused: what is private cannot be pulled';
const again = 'the credential for upstream is taken again';

describe('a credential', () => {
  const header = staticCredential(`Bearer ${secret('t')}`);
  /** The first refusal of a password may be about others' repository. */
  const cases: readonly [string, Credential, string, readonly string[]][] = [
    ['a password', user, 'user "u"', ['warn', 'error']],
    ['a ready header', header, 'a ready Bearer header', ['warn', 'error']],
  ];
  for (const [what, credential, who, levels] of cases)
    it(`that its registry refuses is told of once, and once when it is taken again: ${what}`, async () => {
      let takes = false;
      const auth = new ScriptedAuth({
        registry: ({ headers }) =>
          takes && headers?.['authorization'] ? { status: 200 } : challenged('Basic realm="x"'),
        credential,
      });
      for (const repository of ['a', 'b', 'c', 'd']) assert.equal(await auth.get(repository), 401);
      assert.deepEqual(
        auth.told.splice(0),
        levels.map((level) => `${level} ${refused} ${who} registry.example.com`),
      );
      takes = true;
      await auth.clock.advance(60_000);
      for (const repository of ['a', 'b']) assert.equal(await auth.get(repository), 200);
      assert.deepEqual(auth.told, [`error ${again} ${who}`]);
    });

  for (const [what, credential, who, level] of [
    ['a password', user, 'user "u"', 'warn'],
    ['a refresh token', { kind: 'refresh', token: secret('r') }, 'a refresh token', 'error'],
  ] as const)
    it(`that its token server refuses is told of, and named to the operator alone: ${what}`, async () => {
      let takes = false;
      const auth = new ScriptedAuth({
        registry: wantsBearer(),
        tokens: (...asked) => (takes ? grants()(...asked) : { status: 401 }),
        credential,
      });
      const said = 'token server auth.example.com answered 401, ';
      const message = `${said}with the configured credential`;
      const forOperator = `${said}${asWhom(credential).forOperator}`;
      await assert.rejects(auth.get(), { code: 'DENIED', message, forOperator });
      assert.deepEqual(auth.told, [`${level} ${refused} ${who} auth.example.com`]);
      takes = true;
      await auth.clock.advance(60_000);
      assert.equal(await auth.get(), 200);
      assert.deepEqual(auth.told.slice(1), [`${level} ${again} ${who}`]);
    });

  it('that is refused and taken in turn is told of once a minute', async () => {
    let takes = false;
    const auth = new ScriptedAuth({
      registry: () => (takes ? { status: 200 } : challenged('Basic realm="x"')),
      credential: staticCredential(`Bearer ${secret('t')}`),
    });
    for (let turn = 0; turn < 10; turn += 1) {
      takes = false;
      for (const repository of ['a', 'b', 'c']) await auth.get(repository);
      takes = true;
      await auth.get('a');
    }
    assert.equal(auth.told.length, 3);
    await auth.clock.advance(60_000);
    takes = false;
    for (const repository of ['a', 'b', 'c']) await auth.get(repository);
    assert.equal(auth.told.length, 4);
  });

  it('that was taken for the only repository that is asked for and is refused for it now is told of', async () => {
    let takes = true;
    const auth = new ScriptedAuth({
      registry: () => (takes ? { status: 200 } : challenged('Basic realm="x"')),
      credential: header,
    });
    await auth.get('ours');
    takes = false;
    for (let times = 0; times < 3; times += 1) assert.equal(await auth.get('ours'), 401);
    assert.deepEqual(auth.told, [`error ${refused} a ready Bearer header registry.example.com`]);
  });

  it('that was taken is not told of when a repository of others is refused to it', async () => {
    const auth = new ScriptedAuth({
      registry: ({ url, headers }) =>
        url.pathname.includes('/ours/') && headers?.['authorization']
          ? { status: 200 }
          : challenged('Basic realm="x"'),
      credential: user,
    });
    assert.deepEqual([await auth.get('ours'), await auth.get('theirs')], [200, 401]);
    assert.deepEqual(auth.told, []);
  });

  it('in whose name the token stands is not named', () => {
    for (const [username, password] of [
      ['ghp_0123456789', 'x'],
      ['0123456789abcdef', 'x-oauth-basic'],
      ['0123456789abcdef', ''],
      ['0123456789abcdef', '0123456789abcdef'],
    ] as const)
      assert.equal(
        asWhom({ kind: 'basic', username, password }).forOperator,
        'as a user whose name is a secret',
      );
  });
});
