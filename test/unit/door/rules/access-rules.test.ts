import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type AccessRule, AccessRules } from '#src/door/rules/access-rules.ts';
import { isGranted } from '#src/door/rules/granted.ts';
import type { Who } from '#src/door/rules/who.ts';
import type { RuledAction, Subject } from '#src/door/subject.ts';
import {
  hostedHost,
  parseRegistryHost,
  type RepositoryName,
  repositoryName,
  shownName,
} from '#src/oci/reference.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

const alpine = repository('docker.io/library/alpine');
const app = repositoryName(hostedHost, 'apps/web');

const nobody: Subject = { id: undefined, by: 'nothing', groups: [], address: '192.0.2.1' };
const node: Subject = { ...nobody, address: '10.0.0.7' };
const idp = 'https://idp.test';
const ann: Subject = { ...nobody, id: 'ann', by: 'foreignToken', issuer: idp, groups: ['ci'] };
const user: Subject = { ...nobody, id: 'ann', by: 'password' };
const program: Subject = { ...nobody, id: 'ann', by: 'clientToken' };
const cert: Subject = { ...nobody, id: 'node-1', by: 'certificate' };
const guest: Subject = { ...nobody, by: 'userToken' };

function rule(name: string, who: Who, repositories: string[], actions: RuledAction[]): AccessRule {
  return { name, who, repositories, actions };
}

describe('a rule that closes something', () => {
  it('does so however the registry is written', () => {
    const rules = new AccessRules([
      rule('closed', 'anyone', ['docker.io/**'], []),
      rule('rest', 'anyone', ['**'], ['pull']),
    ]);
    for (const host of ['docker.io', 'docker.io:443', 'registry-1.docker.io:0443'])
      assert.deepEqual(rules.judge(node, 'pull', repositoryName(parseRegistryHost(host), 'acme/x')), {
        allowed: false,
        rule: 'closed',
      });
    assert.equal(rules.judge(node, 'pull', repository('docker.io:444/acme/x')).allowed, true);
  });
});

describe('rules of access', () => {
  const rules = new AccessRules([
    rule('ci', { group: 'ci' }, ['apps/**'], ['pull', 'push']),
    rule('machines', { certificate: 'node-*' }, ['docker.io/library/*'], ['pull']),
    rule('nodes', { cidr: '10.0.0.0/8' }, ['**'], ['pull']),
    rule('nothing else', 'anyone', ['apps/**'], []),
    rule('strangers', 'anonymous', ['docker.io/**'], ['pull']),
  ]);
  const cases: [Subject, RuledAction, RepositoryName, allowed: boolean, by?: string][] = [
    [ann, 'push', app, true, 'ci'],
    [ann, 'delete', app, false, 'ci'],
    [ann, 'pull', alpine, false],
    [{ ...ann, address: '10.0.0.7' }, 'delete', app, false, 'ci'],
    [cert, 'pull', alpine, true, 'machines'],
    [cert, 'pull', repository('docker.io/acme/x'), false],
    [{ ...cert, by: 'password' }, 'pull', alpine, false],
    [user, 'push', app, false, 'nothing else'],
    [node, 'pull', app, true, 'nodes'],
    [node, 'push', app, false, 'nodes'],
    [{ ...node, address: '::ffff:10.0.0.7' }, 'pull', alpine, true, 'nodes'],
    [nobody, 'pull', app, false, 'nothing else'],
    [nobody, 'pull', alpine, true, 'strangers'],
    [guest, 'pull', alpine, true, 'strangers'],
    [nobody, 'pull', repository('quay.io/a/b'), false],
  ];
  for (const [subject, action, name, allowed, by] of cases) {
    const who = `${subject.id ?? 'nobody'} by ${subject.by} of ${subject.address}`;
    it(`are decided by the first that is about him and the repository: ${who}, ${action} ${shownName(name)}`, () => {
      const expected = { allowed, rule: by };
      assert.deepEqual(rules.judge(subject, action, name), expected);
      assert.deepEqual(rules.judge(subject, action, name), expected, 'remembered');
    });
  }

  it('about a user are about whoever has shown that he is, and not about a certificate of that name', () => {
    const only = new AccessRules([rule('ann', { user: 'ann' }, ['**'], ['pull'])]);
    assert.equal(only.judge(user, 'pull', alpine).allowed, true);
    assert.equal(only.judge({ ...user, by: 'userToken' }, 'pull', alpine).allowed, true);
    assert.equal(only.judge({ ...user, by: 'certificate' }, 'pull', alpine).allowed, false);
    assert.equal(only.judge({ ...user, by: 'nothing' }, 'pull', alpine).allowed, false);
    assert.equal(only.judge({ ...user, id: 'Ann' }, 'pull', alpine).allowed, false);
  });

  it('about one kind of somebody are about nobody of another who is called so', () => {
    const elsewhere: Subject = { ...ann, issuer: 'https://other.test' };
    const machine: Subject = { ...cert, id: 'ann' };
    const everybody = { user, program, ann, elsewhere, machine };
    const whom = (who: Who): string[] => {
      const only = new AccessRules([rule('x', who, ['**'], ['pull'])]);
      return Object.entries(everybody).flatMap(([name, one]) =>
        only.judge(one, 'pull', alpine).allowed ? [name] : [],
      );
    };
    assert.deepEqual(whom({ user: 'ann' }), ['user']);
    assert.deepEqual(whom({ client: 'ann' }), ['program']);
    assert.deepEqual(whom({ issuer: idp, subject: 'ann' }), ['ann']);
    assert.deepEqual(whom({ subject: 'ann' }), ['ann', 'elsewhere']);
    assert.deepEqual(whom({ issuer: idp, group: 'ci' }), ['ann']);
    assert.deepEqual(whom({ issuer: idp }), ['ann']);
    assert.deepEqual(whom({ certificate: 'ann' }), ['machine']);
    assert.deepEqual(whom('known'), Object.keys(everybody));
    assert.deepEqual(whom('account'), ['user', 'program']);
  });

  it('about claims are about whoever has all of them, as texts', () => {
    const says = (claims: Record<string, readonly string[]>): Subject => ({ ...ann, claims });
    const only = new AccessRules([
      rule(
        'ci',
        { issuer: idp, claim: { project_path: 'team/app', ref_protected: true, id: 7 } },
        ['**'],
        ['pull'],
      ),
    ]);
    const all = { project_path: ['x', 'team/app'], ref_protected: ['true'], id: ['7'] };
    assert.equal(only.judge(says(all), 'pull', alpine).allowed, true);
    assert.equal(only.judge({ ...says(all), issuer: 'https://other.test' }, 'pull', alpine).allowed, false);
    assert.equal(only.judge({ ...says(all), by: 'password' }, 'pull', alpine).allowed, false);
    for (const other of [
      { ref_protected: ['false'] },
      { ref_protected: [] },
      { project_path: ['team/app2'] },
      { id: [] },
    ])
      assert.equal(only.judge(says({ ...all, ...other }), 'pull', alpine).allowed, false);
    assert.equal(only.judge(ann, 'pull', alpine).allowed, false);
    const odd = new AccessRules([rule('x', { claim: { constructor: 'x' } }, ['**'], ['pull'])]);
    assert.equal(odd.judge(says({}), 'pull', alpine).allowed, false);
  });

  it('say what somebody may pull, for a list: where such names begin, and which are among them', () => {
    const { beginnings, has } = rules.pullable(ann);
    assert.deepEqual(beginnings, ['apps/']);
    assert.deepEqual([has(app), has(alpine)], [true, false]);
    const six = new AccessRules([rule('x', 'anyone', ['[::1]:5000/a*', 'quay.io/b', '*/c'], ['pull'])]);
    assert.deepEqual(six.pullable(ann).beginnings, ['[::1]:5000/a', 'quay.io/b', '']);
  });

  it('let in whom some rule gives something', () => {
    assert.equal(rules.letsIn(nobody), true);
    assert.equal(rules.letsIn(cert, 'push'), false);
    const closed = new AccessRules([rule('none', 'anyone', ['**'], [])]);
    assert.equal(closed.letsIn(ann), false);
    assert.equal(new AccessRules([]).judge(ann, 'pull', alpine).allowed, false);
  });

  it('are explained: which decides, and why those before it do not', () => {
    assert.deepEqual(rules.explain(nobody, alpine), [
      { name: 'ci', passes: 'it is about the group ci' },
      { name: 'machines', passes: 'it is about certificates of node-*' },
      { name: 'nodes', passes: 'it is about addresses in 10.0.0.0/8' },
      { name: 'nothing else', passes: 'it is about apps/**' },
      { name: 'strangers', passes: undefined },
    ]);
  });

  it('are the same whether or not an answer is remembered, whoever asked before', () => {
    const whos: Who[] = [
      'anyone',
      'anonymous',
      'known',
      { user: 'ann' },
      { client: 'ann' },
      { issuer: idp, subject: 'ann' },
      { group: 'ci' },
      { cidr: '10.0.0.0/8' },
    ];
    const actions: RuledAction[] = ['pull', 'push', 'delete'];
    const someRule = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      who: fc.constantFrom(...whos),
      repositories: fc.subarray(['**', 'apps/**', 'docker.io/**', 'apps/web']),
      actions: fc.subarray(actions),
    });
    const question = fc.record({
      subject: fc.constantFrom(nobody, node, ann, user, program, cert, guest),
      action: fc.constantFrom(...actions),
      name: fc.constantFrom(alpine, app),
    });
    fc.assert(
      fc.property(fc.array(someRule, { maxLength: 5 }), fc.array(question), (some, questions) => {
        const used = new AccessRules(some);
        for (const { subject, action, name } of questions) {
          const verdict = used.judge(subject, action, name);
          assert.deepEqual(verdict, new AccessRules(some).judge({ ...subject }, action, name));
          const { beginnings, has } = used.pullable(subject);
          assert.equal(has(name), used.judge(subject, 'pull', name).allowed);
          const begins = beginnings.some((beginning) => shownName(name).startsWith(beginning));
          assert.ok(begins || !has(name), 'no name is left out');
          const findings = used.explain(subject, name);
          const decided = findings.find(({ passes }) => passes === undefined);
          assert.equal(decided?.name, verdict.rule);
        }
      }),
    );
  });
});

describe('a token', () => {
  const named = (name: string): RepositoryName | undefined =>
    ['library/alpine', 'alpine', alpine].includes(name) ? alpine : undefined;
  const holder = (name: string, ...actions: string[]): Subject => ({
    ...guest,
    granted: [{ repository: name, actions }],
  });

  it('is good for what it names, by whichever name of it', () => {
    assert.equal(isGranted(holder('library/alpine', 'pull'), 'pull', alpine, named), true);
    assert.equal(isGranted(holder('alpine', '*'), 'delete', alpine, named), true);
    assert.equal(isGranted(holder(alpine, 'pull'), 'pull', alpine, named), true);
    assert.equal(isGranted(nobody, 'pull', alpine, named), true);
  });

  it('is good for nothing else, and not for the same path at another registry', () => {
    assert.equal(isGranted(holder('library/alpine', 'pull'), 'push', alpine, named), false);
    assert.equal(isGranted({ ...guest, granted: [] }, 'pull', alpine, named), false);
    const elsewhere = repository('evil.example.com/library/alpine');
    assert.equal(isGranted(holder('library/alpine', 'pull'), 'pull', elsewhere, named), false);
    assert.equal(
      isGranted(holder('nothing', 'pull'), 'pull', alpine, () => undefined),
      false,
    );
  });
});
