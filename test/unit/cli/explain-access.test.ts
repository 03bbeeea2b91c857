import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AccessOrder, explain } from '#src/cli/explain-access.ts';
import { ConfigError } from '#src/config/config-error.ts';
import { loadText } from '#test/fakes/config-text.ts';

const rules = `
defaultNs: docker.io
hosted: [{ repositories: ["apps/**"] }]
access:
  - { name: ci, who: { group: ci }, repositories: ["apps/**"], actions: [pull, push] }
  - { name: nodes, who: { cidr: 10.0.0.0/8 }, repositories: ["**"], actions: [pull] }
  - { name: no apps, who: anyone, repositories: ["apps/**"], actions: [] }
  - { name: machines, who: { certificate: "node-*" }, repositories: ["**"], actions: [pull] }
policy:
  - { name: no-dev, repositories: ["docker.io/**:*-dev"], effect: deny }
`;

async function explained(
  order: Partial<AccessOrder>,
  text = rules,
  env: NodeJS.ProcessEnv = {},
): Promise<[boolean, string]> {
  const { config } = await loadText(text, { env });
  let printed = '';
  const asked = {
    ...{ user: undefined, client: undefined, subject: undefined, issuer: undefined, groups: [], claims: {} },
    ...{ certificate: undefined, address: undefined, action: 'pull' },
    ...{ repository: 'alpine', output: 'text', ...order },
  } as AccessOrder;
  const allowed = explain(config, asked, { write: (more) => (printed += more) });
  return [allowed, printed];
}

describe('explain-access', () => {
  it('says which rule decides, and why those before it do not', async () => {
    assert.deepEqual(await explained({ address: '10.1.2.3', repository: 'alpine:3' }), [
      true,
      `pull docker.io/library/alpine:3 as nobody in particular from 10.1.2.3: allowed
  access: ci: says nothing of it: it is about the group ci
  access: nodes: decides: it lets pull
  policy: no rule matches: it passes
`,
    ]);
    assert.deepEqual(
      await explained({ subject: 'ann', groups: ['ci'], repository: 'apps/web', action: 'delete' }),
      [
        false,
        `delete apps/web as the subject ann in ci: denied
  access: ci: decides: it does not let delete
`,
      ],
    );
    assert.deepEqual(await explained({ user: 'bob', repository: 'apps/web' }), [
      false,
      `pull apps/web as the user bob: denied
  access: ci: says nothing of it: it is about the group ci
  access: nodes: says nothing of it: it is about addresses in 10.0.0.0/8
  access: no apps: decides: it does not let pull
`,
    ]);
  });

  it('knows each kind of name, and takes none for another', async () => {
    const text = `
hosted: [{ repositories: ["**"] }]
auth:
  basic: { htpasswdFile: users }
  oauth: { clients: [{ id: ann, secretFromEnv: S }], signing: { algorithm: ES256 } }
  issuers: [{ issuer: "https://a.test", audience: c }, { issuer: "https://b.test", audience: c }]
access:
  - { name: user, who: { user: ann }, repositories: ["**"], actions: [pull] }
  - { name: client, who: { client: ann }, repositories: ["**"], actions: [pull] }
  - { name: claim, who: { issuer: "https://a.test", claim: { path: x, ref: true } }, repositories: ["**"], actions: [pull] }
  - { name: a, who: { issuer: "https://a.test", subject: ann }, repositories: ["**"], actions: [pull] }
`;
    const env = { S: '1234567890123456' };
    const by = async (order: Partial<AccessOrder>): Promise<string | undefined> => {
      const [, printed] = await explained({ repository: 'app', ...order }, text, env);
      return /access: (\w+): decides/.exec(printed)?.[1];
    };
    const [a, b] = ['https://a.test', 'https://b.test'];
    assert.equal(await by({ user: 'ann' }), 'user');
    assert.equal(await by({ client: 'ann' }), 'client');
    assert.equal(await by({ issuer: a, subject: 'ann' }), 'a');
    assert.equal(await by({ issuer: b, subject: 'ann' }), undefined);
    assert.equal(await by({ issuer: a, claims: { path: ['y', 'x'], ref: ['true'] } }), 'claim');
    assert.equal(await by({ issuer: a, subject: 'bob', claims: { path: ['x'] } }), undefined);
    for (const wrong of [
      { user: 'ann', client: 'ann' },
      { user: 'ann', groups: ['ci'] },
      { subject: 'ann' },
      { issuer: 'https://c.test', subject: 'ann' },
    ])
      await assert.rejects(by(wrong), ConfigError);
  });

  it('says by which name it is judged, where that is not the one of the cache', async () => {
    const [allowed, text] = await explained({ address: '10.0.0.1', repository: 'quay.io:0443/a/b' });
    assert.equal(allowed, true);
    assert.match(text, /^pull quay\.io:0443\/a\/b as .*\n {2}its name is judged as quay\.io\/a\/b\n/);
  });

  it('says that none does', async () => {
    const [allowed, text] = await explained({ user: 'node-1', repository: 'quay.io/a/b' });
    assert.equal(allowed, false);
    assert.match(
      text,
      /access: machines: says nothing of it: it is about certificates of node-\*\n {2}access: no rule decides: denied\n$/,
    );
    assert.equal((await explained({ certificate: 'node-1', repository: 'quay.io/a/b' }))[0], true);
  });

  it('says what the policy keeps back, and what it cannot know of digests', async () => {
    const address = '10.0.0.1';
    const [allowed, text] = await explained({ address, repository: 'alpine:3-dev' });
    assert.equal(allowed, false);
    assert.match(text, /policy: no-dev: decides: it does not pass\n$/);
    const digest = `sha256:${'0'.repeat(64)}`;
    const [passes, more] = await explained({ address, repository: `alpine@${digest}` });
    assert.equal(passes, true);
    assert.match(more, /only the running server says which do\n$/);
  });

  it('says what holds where there are no rules', async () => {
    const text = 'hosted: [{ repositories: [a], open: true }, { repositories: [b] }]';
    for (const [repository, action, expected] of [
      ['quay.io/x/y', 'pull', true],
      ['quay.io/x/y', 'push', false],
      ['a', 'push', true],
      ['b', 'push', false],
      ['b', 'pull', true],
    ] as const)
      assert.equal((await explained({ repository, action }, text))[0], expected, `${action} ${repository}`);
  });

  it('is read by programs too', async () => {
    const [, text] = await explained({ address: '10.0.0.1', output: 'json' });
    const { allowed, reasons } = JSON.parse(text) as { allowed: boolean; reasons: string[] };
    assert.deepEqual([allowed, reasons.length], [true, 4]);
  });

  it('refuses a name that is none', async () => {
    await assert.rejects(explained({ repository: 'UPPER/CASE' }), { code: 'NAME_INVALID' });
  });
});
