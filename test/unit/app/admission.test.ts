import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Admission, type AdmissionParts, type Identity } from '#src/app/admission.ts';
import { rulesOf } from '#src/app/door.ts';
import { AddressBlocks } from '#src/door/address-blocks.ts';
import { Limiter } from '#src/door/rate/limiter.ts';
import { SlidingWindow } from '#src/door/rate/sliding-window.ts';
import { AccessRules } from '#src/door/rules/access-rules.ts';
import { catalogue, type Subject } from '#src/door/subject.ts';
import type { Action, Caller } from '#src/http/authorise.ts';
import type { KnownCaller } from '#src/http/exchange/known-caller.ts';
import { RegistryError } from '#src/oci/error.ts';
import { hostedHost, type RepositoryName, repositoryName } from '#src/oci/reference.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const web = repositoryName(hostedHost, 'apps/web');
const other = repositoryName(hostedHost, 'other');
const stranger: Caller = {
  ...{ address: '192.0.2.1', authorization: undefined, forwardedFor: undefined, certificate: undefined },
};
const ann: Subject = {
  ...{ id: 'ann', by: 'foreignToken', issuer: 'idp.test', groups: ['ci'], address: '192.0.2.1' },
};
const bob: Subject = { id: 'bob', by: 'password', groups: [], address: '192.0.2.1' };
const token: Subject = {
  ...ann,
  granted: [{ repository: 'apps/web', actions: ['pull'] }],
};
const lister: Subject = { ...token, granted: [{ repository: catalogue, actions: ['*'] }] };
const nobody: Subject = { id: undefined, by: 'nothing', groups: [], address: '192.0.2.1' };

/** Whom the header Authorization names; `wrong` and `late` are refused. */
const identity: Identity = {
  identify: ({ authorization }) => {
    const wrong = new RegistryError('UNAUTHORIZED', 'wrong', { headers: { 'WWW-Authenticate': 'Basic' } });
    if (authorization === 'wrong') throw wrong;
    if (authorization === 'late') return Promise.reject(wrong);
    if (authorization === 'looked up') return Promise.resolve(ann);
    const shown = { ann, bob, token, lister }[authorization ?? ''];
    return shown ?? nobody;
  },
  challenge: (action, repository, error) =>
    [`Bearer scope="${repository ?? ''}:${action}"`, error].filter(Boolean).join(),
};

const rules = new AccessRules([
  { name: 'ci', who: { group: 'ci' }, repositories: ['apps/**'], actions: ['pull', 'push'] },
]);

function admission(more: Partial<AdmissionParts> = {}): Admission {
  return new Admission({
    ...{ identity, rules, limiter: undefined, content: undefined, trustedProxies: new AddressBlocks([]) },
    repositoryNamed: (name) => repositoryName(hostedHost, name),
    ...more,
  });
}

/** What becomes of a request: `admitted`, or the code with its challenge. */
async function asked(
  made: Admission,
  action: Action,
  repository: RepositoryName | undefined,
  authorization?: string,
): Promise<readonly [verdict: string, challenge?: string]> {
  try {
    await made.authorise({ action, repository, request: undefined, caller: { ...stranger, authorization } });
    return ['admitted'];
  } catch (error) {
    assert.ok(error instanceof RegistryError);
    return [error.code, error.headers['WWW-Authenticate']].filter(Boolean) as [string];
  }
}

describe('who is not known', () => {
  it('is asked who he is, for what he wants', async () => {
    const made = admission();
    assert.deepEqual(await asked(made, 'pull', web), [
      'UNAUTHORIZED',
      'Bearer scope="hosted.invalid/apps/web:pull"',
    ]);
    assert.deepEqual(await asked(made, 'version', undefined), ['UNAUTHORIZED', 'Bearer scope=":version"']);
    assert.deepEqual(await asked(made, 'catalog', undefined), ['UNAUTHORIZED', 'Bearer scope=":catalog"']);
    assert.deepEqual(await asked(made, 'pull', undefined), ['UNAUTHORIZED', 'Bearer scope=":pull"']);
  });

  it('is denied it where nobody can say who he is', async () => {
    const made = admission({ identity: { identify: () => nobody } });
    assert.deepEqual(await asked(made, 'pull', web), ['DENIED']);
    assert.deepEqual(await asked(made, 'version', undefined), ['admitted']);
    assert.deepEqual(await asked(made, 'login', undefined), ['admitted']);
  });

  it('is asked with a certificate too, which may not be enough', async () => {
    const caller = { ...stranger, certificate: 'node-1' };
    const access = { action: 'pull', repository: web, request: undefined, caller } as const;
    assert.throws(() => admission().authorise(access), { code: 'UNAUTHORIZED' });
    const who = { certificate: 'node-*' };
    const nodes = new AccessRules([{ name: 'n', who, repositories: ['**'], actions: ['pull'] }]);
    assert.equal(admission({ rules: nodes }).authorise(access), undefined);
  });
});

describe('who has a certificate alone', () => {
  it('pulls without rules, and is asked for more where he pushes or deletes', () => {
    const made = admission({ rules: rulesOf({ auth: {} as never, access: undefined }) });
    for (const certificate of ['node-1', '', 'a/b']) {
      const of = (action: Action) =>
        made.authorise({
          ...{ action, repository: web, request: undefined, caller: { ...stranger, certificate } },
        });
      assert.equal(of('pull'), undefined, certificate);
      for (const action of ['push', 'delete'] as const)
        assert.throws(() => of(action), { code: 'UNAUTHORIZED' }, certificate);
    }
  });

  it('is asked for more by /v2/, where clients look whether they are to show a password', () => {
    const made = admission({ rules: rulesOf({ auth: {} as never, access: undefined }) });
    const at = (more: Partial<Caller>) =>
      made.authorise({
        ...{ action: 'version', repository: undefined, request: undefined },
        caller: { ...stranger, certificate: 'node-1', ...more },
      });
    assert.throws(() => at({}), { code: 'UNAUTHORIZED' });
    assert.equal(at({ authorization: 'ann' }), undefined);
    // What is shown at a door where nothing can be shown is enough.
    const { identify } = identity;
    const closed = admission({
      identity: { identify },
      rules: rulesOf({ auth: {} as never, access: undefined }),
    });
    const access = { action: 'version', repository: undefined, request: undefined } as const;
    assert.equal(closed.authorise({ ...access, caller: { ...stranger, certificate: 'node-1' } }), undefined);
  });

  it('is still who he is with a token for nobody in particular, for what that is good for', () => {
    const anonymousToken: Subject = {
      ...nobody,
      by: 'userToken',
      granted: [{ repository: 'apps/web', actions: ['pull'] }],
    };
    const made = admission({
      identity: { ...identity, identify: () => anonymousToken },
      rules: new AccessRules([
        { name: 'n', who: { certificate: 'node-*' }, repositories: ['**'], actions: ['pull', 'push'] },
      ]),
    });
    const of = (action: Action, repository: RepositoryName | undefined, certificate: string | undefined) =>
      made.authorise({ action, repository, request: undefined, caller: { ...stranger, certificate } });
    assert.equal(of('pull', web, 'node-1'), undefined);
    assert.equal(of('version', undefined, 'node-1'), undefined);
    for (const [action, repository, certificate] of [
      ['push', web, 'node-1'],
      ['pull', other, 'node-1'],
      ['pull', web, 'another'],
      ['pull', web, undefined],
    ] as const)
      assert.throws(() => of(action, repository, certificate), { code: 'UNAUTHORIZED' });
  });

  it('pushes with a password beside it', async () => {
    const made = admission({ rules: rulesOf({ auth: {} as never, access: undefined }) });
    const caller = { ...stranger, certificate: 'node-1', authorization: 'bob' };
    assert.equal(made.authorise({ action: 'push', repository: web, request: undefined, caller }), undefined);
    await assert.rejects(
      async () => await made.authorise({ action: 'delete', repository: web, request: undefined, caller }),
      { code: 'DENIED' },
    );
  });
});

describe('who is known', () => {
  it('is admitted by the rules, at once where he is known at once', async () => {
    const made = admission();
    const caller = { ...stranger, authorization: 'ann' };
    assert.equal(made.authorise({ action: 'push', repository: web, request: undefined, caller }), undefined);
    for (const who of ['ann', 'looked up']) {
      assert.deepEqual(await asked(made, 'push', web, who), ['admitted']);
      assert.deepEqual(await asked(made, 'delete', web, who), ['DENIED']);
      assert.deepEqual(await asked(made, 'pull', other, who), ['DENIED']);
      assert.deepEqual(await asked(made, 'version', undefined, who), ['admitted']);
      assert.deepEqual(await asked(made, 'catalog', undefined, who), ['admitted']);
      // The original's way to log in.
      assert.deepEqual(await asked(made, 'login', undefined, who), ['NAME_UNKNOWN']);
    }
  });

  it('with a token is asked for another that is good for it, and gets no further than his rules with it', async () => {
    const made = admission();
    assert.deepEqual(await asked(made, 'pull', web, 'token'), ['admitted']);
    assert.deepEqual(await asked(made, 'push', web, 'token'), [
      'UNAUTHORIZED',
      'Bearer scope="hosted.invalid/apps/web:push",insufficient_scope',
    ]);
    assert.deepEqual(await asked(made, 'pull', other, 'token'), ['DENIED']);
  });

  it('with a token sees the catalogue if it is good for that, as far as his rules go', async () => {
    const made = admission();
    assert.deepEqual(await asked(made, 'catalog', undefined, 'token'), [
      'UNAUTHORIZED',
      'Bearer scope=":catalog",insufficient_scope',
    ]);
    assert.deepEqual(await asked(made, 'catalog', undefined, 'lister'), ['admitted']);
    const told: KnownCaller[] = [];
    const caller = { ...stranger, authorization: 'lister' };
    const access = { action: 'catalog', repository: undefined, request: undefined, caller } as const;
    await made.authorise({ ...access, tell: (known) => void told.push(known) });
    const { beginnings, has } = told[0]?.pullable ?? {};
    assert.deepEqual([beginnings, has?.(web), has?.(other)], [['apps/'], true, false]);
  });

  it('is told to whoever asked, with the rule, before the verdict', () => {
    const told: KnownCaller[] = [];
    const tell = (known: KnownCaller) => void told.push(known);
    const caller = { ...stranger, authorization: 'ann' };
    const made = admission();
    void made.authorise({ action: 'pull', repository: web, request: undefined, caller, tell });
    assert.throws(() =>
      made.authorise({ action: 'pull', repository: other, request: undefined, caller, tell }),
    );
    assert.deepEqual(
      told.map(({ id, address, rule, repository }) => [id, address, rule, repository]),
      [
        ['idp.test#ann', '192.0.2.1', 'ci', web],
        ['idp.test#ann', '192.0.2.1', undefined, other],
      ],
    );
    assert.deepEqual([told[0]?.mayPull(web), told[0]?.mayPull(other)], [true, false]);
  });
});

describe('who shows what is wrong', () => {
  it('is refused, and counted by his address, not by the name that he claims', async () => {
    const counted: string[] = [];
    let isOver = false;
    const limiter = new Limiter(
      { requests: 1, per: 60_000, window: 'sliding', by: 'client', onStoreError: 'allow' },
      {
        count: (client) => {
          counted.push(client);
          return { isOver, remaining: 0, resetMs: 1000 };
        },
        isOver: () => false,
      },
    );
    const made = admission({ limiter });
    for (const who of ['wrong', 'late'])
      assert.deepEqual(await asked(made, 'pull', web, who), ['UNAUTHORIZED', 'Basic']);
    isOver = true;
    for (const who of ['wrong', 'late', 'ann'])
      assert.deepEqual(await asked(made, 'pull', web, who), ['TOOMANYREQUESTS']);
    assert.deepEqual(counted, ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.1', 'idp.test#ann']);
  });
});

describe('whose password is not known yet', () => {
  /** So many requests; who is looked up has `beforeLook` asked, as the real identification does. */
  function limited(requests: number) {
    const clock = new FakeClock();
    const settings = {
      requests,
      per: 60_000,
      by: 'client',
      window: 'sliding',
      onStoreError: 'allow',
    } as const;
    const looked: string[] = [];
    const known = new Set<string>();
    const looking: Identity = {
      ...identity,
      identify: ({ authorization = '', address }, beforeLook) => {
        if (known.has(authorization)) return { ...ann, id: authorization, address };
        return (async () => {
          await beforeLook();
          looked.push(authorization);
          if (authorization.startsWith('wrong')) throw new RegistryError('UNAUTHORIZED', 'wrong');
          known.add(authorization);
          return { ...ann, id: authorization, address };
        })();
      },
    };
    const made = admission({
      identity: looking,
      limiter: new Limiter(settings, new SlidingWindow(settings, clock)),
    });
    return { made, looked };
  }

  it('is not looked at any more where his address has had its share', async () => {
    const { made, looked } = limited(3);
    const codes: string[] = [];
    for (let at = 0; at < 6; at += 1) codes.push((await asked(made, 'pull', web, `wrong ${at}`))[0]);
    assert.deepEqual(codes, [
      ...Array.from({ length: 3 }, () => 'UNAUTHORIZED'),
      ...Array.from({ length: 3 }, () => 'TOOMANYREQUESTS'),
    ]);
    assert.deepEqual(await asked(made, 'pull', web, 'bob'), ['TOOMANYREQUESTS']);
    assert.deepEqual(looked, ['wrong 0', 'wrong 1', 'wrong 2']);
  });

  it('is counted once, by his name, where he is right: the first time as behind it', async () => {
    const { made } = limited(3);
    // By their address they would be too many.
    for (const user of ['ann', 'bob', 'carol', 'dora'])
      for (let time = 0; time < 4; time += 1)
        assert.deepEqual(
          await asked(made, 'pull', web, user),
          [time < 3 ? 'admitted' : 'TOOMANYREQUESTS'],
          `${user} ${time}`,
        );
    assert.deepEqual(await asked(made, 'pull', web, 'wrong'), ['UNAUTHORIZED']);
  });
});
