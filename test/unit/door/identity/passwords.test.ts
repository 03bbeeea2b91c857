import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Identification } from '#src/door/identity/identification.ts';
import { PasswordChecks } from '#src/door/identity/password-checks.ts';
import type { PasswordQuestion } from '#src/door/identity/password-thread.ts';
import { Passwords } from '#src/door/identity/passwords.ts';
import { RegistryError } from '#src/oci/error.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { basicHeader, bcrypt } from '#test/fakes/passwords.ts';

/** Hashes are what they hide, so that who was compared with what can be seen. */
function known(entries: Readonly<Record<string, string>>) {
  const file = {
    users: new Map(Object.entries(entries)) as ReadonlyMap<string, string>,
    hashOf: (user: string): string | undefined => file.users.get(user),
    check: async (): Promise<void> => {},
  };
  const asked: PasswordQuestion[] = [];
  const checks = {
    meanwhile: async (): Promise<void> => {},
    async check(_owner: string, question: PasswordQuestion): Promise<boolean> {
      asked.push(question);
      await checks.meanwhile();
      return question.hash === `hash of ${question.password}`;
    },
  };
  const clock = new FakeClock();
  const schemes = { basic: new Passwords(file, checks, clock).prove };
  const identification = new Identification({ clock, schemes });
  const refuse = (_: unknown, why: string): RegistryError => new RegistryError('UNAUTHORIZED', why);
  const shows = (authorization: string | undefined, address = '192.0.2.1') =>
    identification.identify({ address, authorization }, refuse);
  const identifies = (authorization: string, beforeLook: () => void | Promise<void>) =>
    identification.identify({ address: '192.0.2.1', authorization }, refuse, beforeLook);
  const change = (to: Readonly<Record<string, string>>): void => {
    file.users = new Map(Object.entries(to));
  };
  return { shows, identifies, asked, checks, clock, change };
}

const alice = { alice: 'hash of right', bob: 'hash of other' };
const denied = (error: unknown): boolean => error instanceof RegistryError && error.status === 401;

describe('a user', () => {
  it('is known by his password, and again at once', async () => {
    const { shows, asked } = known(alice);
    const subject = await shows(basicHeader('alice', 'right'));
    assert.deepEqual(subject, { id: 'alice', by: 'password', groups: [], address: '192.0.2.1' });
    const again = shows(basicHeader('alice', 'right'));
    assert.equal(again, subject);
    assert.equal(asked.length, 1);
  });

  it('is known at once from elsewhere too, by that address', async () => {
    const { shows } = known(alice);
    await shows(basicHeader('alice', 'right'));
    assert.partialDeepStrictEqual(shows(basicHeader('alice', 'right'), '192.0.2.9'), {
      id: 'alice',
      address: '192.0.2.9',
    });
  });

  it('is nobody while he shows nothing, or nothing in the form of a password', () => {
    const { shows } = known(alice);
    const nobody = { id: undefined, by: 'nothing', groups: [], address: '192.0.2.1' };
    for (const shown of [undefined, basicHeader('', '')]) assert.deepEqual(shows(shown), nobody);
  });

  it('is not looked at where that is not allowed, and known all the same once he is remembered', async () => {
    const { identifies, asked } = known(alice);
    const right = basicHeader('alice', 'right');
    const no = new RegistryError('TOOMANYREQUESTS');
    for (const refused of [
      () => {
        throw no;
      },
      async () => await Promise.reject(no),
    ])
      await assert.rejects(async () => await identifies(right, refused), no);
    assert.equal(asked.length, 0);
    await identifies(right, async () => {});
    assert.equal(asked.length, 1);
    assert.ok(!(identifies(right, () => assert.fail('nobody looks')) instanceof Promise));
  });

  it('is looked at once, though many are let in at different times', async () => {
    const { identifies, asked } = known(alice);
    const right = basicHeader('alice', 'right');
    const later = Promise.withResolvers<void>();
    const late = identifies(right, async () => await later.promise);
    await identifies(right, () => {});
    later.resolve();
    await late;
    assert.equal(asked.length, 1);
  });

  it('is asked for his password once by a crowd', async () => {
    const { shows, asked } = known(alice);
    await Promise.all(Array.from({ length: 20 }, async () => await shows(basicHeader('alice', 'right'))));
    assert.equal(asked.length, 1);
  });

  it('is remembered a minute from when he was last seen', async () => {
    const { shows, asked, clock } = known(alice);
    await shows(basicHeader('alice', 'right'));
    await clock.advance(50_000);
    assert.ok(!(shows(basicHeader('alice', 'right')) instanceof Promise));
    await clock.advance(50_000);
    assert.ok(!(shows(basicHeader('alice', 'right')) instanceof Promise));
    await clock.advance(60_000);
    await shows(basicHeader('alice', 'right'));
    assert.equal(asked.length, 2);
  });

  for (const [what, to] of [
    ['his password is another', { ...alice, alice: 'hash of new' }],
    ['he is taken out', { bob: 'hash of other' }],
  ] as const)
    it(`is forgotten when ${what}`, async () => {
      const { shows, change } = known(alice);
      await shows(basicHeader('alice', 'right'));
      change(to);
      await assert.rejects(async () => await shows(basicHeader('alice', 'right')), denied);
    });

  it('is not let in when the file changes while his password is hashed', async () => {
    const { shows, change, checks } = known(alice);
    checks.meanwhile = async () => change({ ...alice, alice: 'hash of new' });
    await assert.rejects(async () => await shows(basicHeader('alice', 'right')), denied);
    checks.meanwhile = async () => {};
    await assert.rejects(async () => await shows(basicHeader('alice', 'right')), denied);
  });

  it('stays known when the entry of another changes', async () => {
    const { shows, change, asked } = known(alice);
    await shows(basicHeader('alice', 'right'));
    change({ ...alice, bob: 'hash of new' });
    await shows(basicHeader('alice', 'right'));
    assert.equal(asked.length, 1);
  });
});

describe('whoever is not there', () => {
  it('takes what a wrong password takes, always of the same, and gets in by no password of another', async () => {
    const { shows, asked } = known(alice);
    for (const password of ['right', 'other', 'wrong'])
      await assert.rejects(async () => await shows(basicHeader('mallory', password)), denied);
    assert.equal(asked.length, 3);
    assert.equal(new Set(asked.map(({ hash }) => hash)).size, 1);
    assert.ok(Object.values(alice).includes(asked[0]?.hash ?? ''));
  });
});

describe('a wrong password', () => {
  it('is hashed once in ten seconds, and again when the file changes', async () => {
    const { shows, asked, clock, change } = known(alice);
    const wrong = async (): Promise<void> =>
      await assert.rejects(async () => await shows(basicHeader('alice', 'new')), denied);
    await wrong();
    await clock.advance(6000);
    await wrong();
    assert.equal(asked.length, 1);
    await clock.advance(6000);
    await wrong();
    assert.equal(asked.length, 2);
    change({ alice: 'hash of new' });
    assert.partialDeepStrictEqual(await shows(basicHeader('alice', 'new')), { id: 'alice' });
  });

  const tooMany = { code: 'TOOMANYREQUESTS', headers: { 'Retry-After': '60' } };

  it('is the last that an address may show after ten in a minute: then the right one is told by nothing', async () => {
    const { shows, asked, clock } = known(alice);
    for (let guess = 0; guess < 10; guess += 1)
      await assert.rejects(async () => await shows(basicHeader('alice', `wrong ${guess}`)), denied);
    for (const password of ['wrong', 'right'])
      await assert.rejects(async () => await shows(basicHeader('alice', password)), tooMany);
    assert.equal(asked.length, 10);
    assert.partialDeepStrictEqual(await shows(basicHeader('bob', 'other'), '192.0.2.2'), { id: 'bob' });
    await clock.advance(60_000);
    assert.partialDeepStrictEqual(await shows(basicHeader('alice', 'right')), { id: 'alice' });
  });

  it('keeps nobody away who is remembered', async () => {
    const { shows } = known(alice);
    const subject = await shows(basicHeader('alice', 'right'));
    for (let guess = 0; guess < 20; guess += 1)
      await assert.rejects(async () => await shows(basicHeader('alice', `wrong ${guess}`)));
    assert.equal(shows(basicHeader('alice', 'right')), subject);
  });

  it('is not told from the right one that somebody else is remembered by', async () => {
    const { shows, clock } = known(alice);
    const right = basicHeader('alice', 'right');
    await shows(right);
    for (let guess = 0; guess < 10; guess += 1)
      await assert.rejects(
        async () => await shows(basicHeader('alice', `wrong ${guess}`), '192.0.2.66'),
        denied,
      );
    for (const password of ['wrong', 'right'])
      await assert.rejects(async () => await shows(basicHeader('alice', password), '192.0.2.66'), tooMany);
    assert.ok(!(shows(right) instanceof Promise));
    // Whoever has shown it there before is known there.
    for (let guess = 0; guess < 10; guess += 1)
      await assert.rejects(async () => await shows(basicHeader('alice', `bad ${guess}`)));
    await assert.rejects(async () => await shows(basicHeader('alice', 'bad')), tooMany);
    assert.ok(!(shows(right, '192.0.2.2') instanceof Promise));
    assert.ok(!(shows(right) instanceof Promise));
    await clock.advance(59_000);
    assert.ok(!(shows(right) instanceof Promise));
    await clock.advance(1000);
    assert.partialDeepStrictEqual(await shows(right, '192.0.2.66'), { id: 'alice' });
  });

  it('is not told from the right one while that is looked at for somebody else', async () => {
    const { shows, checks } = known(alice);
    for (let guess = 0; guess < 10; guess += 1)
      await assert.rejects(async () => await shows(basicHeader('alice', `wrong ${guess}`), '192.0.2.66'));
    const looked = Promise.withResolvers<void>();
    checks.meanwhile = async () => await looked.promise;
    const his = shows(basicHeader('alice', 'right'));
    const told = Promise.allSettled(
      ['right', 'wrong'].map(async (password) => await shows(basicHeader('alice', password), '192.0.2.66')),
    );
    looked.resolve();
    assert.partialDeepStrictEqual(await his, { id: 'alice' });
    const codes = (await told).map((one) => one.status === 'rejected' && (one.reason as RegistryError).code);
    assert.deepEqual(codes, ['TOOMANYREQUESTS', 'TOOMANYREQUESTS']);
  });

  it('is not told from the right one behind ten others that were shown at the same time', async () => {
    const { shows, checks } = known(alice);
    const looked = Promise.withResolvers<void>();
    checks.meanwhile = async () => await looked.promise;
    const shown = [...Array.from({ length: 10 }, (_, guess) => `wrong ${guess}`), 'wrong', 'right'];
    const told = shown.map(async (password) => await shows(basicHeader('alice', password)));
    looked.resolve();
    const codes = (await Promise.allSettled(told)).map((one) =>
      one.status === 'fulfilled' ? 'let in' : (one.reason as RegistryError).code,
    );
    assert.deepEqual(codes.slice(10), ['TOOMANYREQUESTS', 'TOOMANYREQUESTS']);
  });

  it('that is the same again is no further guess', async () => {
    const { shows, clock } = known(alice);
    for (let time = 0; time < 12; time += 1) {
      await assert.rejects(async () => await shows(basicHeader('alice', 'old')), denied);
      await clock.advance(10_001);
    }
    for (let time = 0; time < 5; time += 1) await shows(basicHeader('bob', 'other'));
  });

  const shown: readonly string[] = [
    'Basic',
    'Basic ',
    'Basic !!!!',
    `Basic ${Buffer.from('alice').toString('base64')}`,
    `Basic ${Buffer.from(':right').toString('base64')}`,
    `Basic ${Buffer.from('alice:right\0').toString('base64')}`,
    `Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString('base64')}`,
    `Basic ${'YTph'.repeat(10_000)}`,
    'Negotiate YWxpY2U6cmlnaHQ=',
    'Bearer YWxpY2U6cmlnaHQ=',
    'alice:right',
  ];
  for (const authorization of shown)
    it(`is refused without a look where it is none: ${authorization.slice(0, 40)}`, async () => {
      const { shows, asked } = known(alice);
      await assert.rejects(async () => await shows(authorization), denied);
      assert.equal(asked.length, 0);
    });
});

describe('the thread of passwords', () => {
  it('compares one after the other, the networks in turn', async () => {
    await using checks = new PasswordChecks();
    const hash = bcrypt('right');
    const ended: string[] = [];
    const check = async (owner: string, password: string): Promise<boolean> => {
      const is = await checks.check(owner, { hash, password });
      ended.push(owner);
      return is;
    };
    const flood = Array.from({ length: 10 }, async () => await check('flood', 'wrong'));
    assert.equal(await check('user', 'right'), true);
    assert.ok(ended.length <= 3, ended.join());
    assert.ok((await Promise.all(flood)).every((is) => !is));
  });

  it('takes so many of one network, and no more', async () => {
    await using checks = new PasswordChecks();
    const hash = bcrypt('right');
    const flood = Array.from(
      { length: 1000 },
      async () => await checks.check('flood', { hash, password: 'x' }),
    );
    const results = await Promise.allSettled(flood);
    const refused = results.filter((result) => result.status === 'rejected');
    assert.ok(refused.length >= 980, String(refused.length));
    for (const { reason } of refused as readonly { readonly reason: unknown }[]) {
      assert.ok(reason instanceof RegistryError);
      assert.deepEqual([reason.status, reason.headers], [429, { 'Retry-After': '2' }]);
    }
  });

  it('lets whoever comes in although crowds fill it', async () => {
    await using checks = new PasswordChecks();
    const hash = bcrypt('right', 6);
    const crowds = Promise.allSettled(
      Array.from({ length: 200 }, async (_, at) => {
        return await checks.check(`crowd ${at % 10}`, { hash, password: 'wrong' });
      }),
    );
    const user = checks.check('user', { hash, password: 'right' });
    assert.equal(checks.waiting, 128);
    assert.equal(await user, true);
    await crowds;
  });

  it('answers nobody any more when it has ended', async () => {
    const checks = new PasswordChecks();
    const asked = checks.check('a', { hash: bcrypt('right', 10), password: 'right' });
    const ended = checks[Symbol.asyncDispose]();
    await assert.rejects(asked, { status: 503 });
    await ended;
    await assert.rejects(checks.check('a', { hash: bcrypt('right'), password: 'right' }), { status: 503 });
  });
});
