import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AccessOrder, explain } from '#src/cli/explain-access.ts';
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

async function explained(order: Partial<AccessOrder>, text = rules): Promise<[boolean, string]> {
  const { config } = await loadText(text);
  let printed = '';
  const asked = {
    ...{ user: undefined, groups: [], certificate: undefined, address: undefined, action: 'pull' },
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
      await explained({ user: 'ann', groups: ['ci'], repository: 'apps/web', action: 'delete' }),
      [
        false,
        `delete apps/web as the user ann of ci: denied
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
