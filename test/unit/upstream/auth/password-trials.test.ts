import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Credential } from '#src/credentials/credentials.ts';
import { Scope } from '#src/oci/scope.ts';
import { PasswordTrials, type Trial } from '#src/upstream/auth/password-trials.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { challenged, grants, ScriptedAuth, wantsBearer } from '#test/fakes/scripted-auth.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import type { AnswerScript } from '#test/fakes/scripted-transport.ts';
import { secret } from '#test/fakes/secrets.ts';

const basic: Credential = { kind: 'basic', username: 'u', password: secret('p') };
const header = `Basic ${Buffer.from(`u:${secret('p')}`).toString('base64')}`;

/** A registry, or its token server, that takes user and password for what is below `ours` and says 401 else. */
interface Guarded {
  readonly auth: ScriptedAuth;
  /** Pulls; is it given? */
  pull(path: string): Promise<boolean>;
  /** Of which repositories a request carried the password, in turn. */
  readonly carried: string[];
  /** The password is no longer the right one. */
  change(): void;
}

function byBasic(): Guarded {
  let isRight = true;
  const takes: AnswerScript = ({ url, headers }) =>
    isRight && headers?.['authorization'] === header && url.pathname.startsWith('/v2/ours')
      ? { status: 200 }
      : challenged('Basic realm="x"');
  const auth = new ScriptedAuth({ registry: takes, credential: basic });
  return guarded(
    auth,
    auth.registry,
    ({ url }) => /^\/v2\/(.+)\/manifests/.exec(url.pathname)?.[1],
    () => {
      isRight = false;
    },
  );
}

function byToken(): Guarded {
  let isRight = true;
  const tokens: AnswerScript = (request, count) =>
    isRight && (request.url.searchParams.get('scope') ?? '').startsWith('repository:ours')
      ? grants({ expires_in: 20 })(request, count)
      : { status: 401 };
  const auth = new ScriptedAuth({ registry: wantsBearer(), tokens, credential: basic });
  const path = ({ url }: { url: URL }) =>
    /^repository:(.+):pull$/.exec(url.searchParams.get('scope') ?? '')?.[1];
  return guarded(auth, auth.tokens, path, () => {
    isRight = false;
  });
}

function guarded(
  auth: ScriptedAuth,
  asked: ScriptedAuth['registry'],
  pathOf: (request: { url: URL }) => string | undefined,
  change: () => void,
): Guarded {
  return {
    auth,
    change,
    pull: async (path) => (await auth.get(path).catch(() => 403)) === 200,
    get carried() {
      return asked.requests.flatMap((request) =>
        request.headers?.['authorization'] === header ? [pathOf(request) ?? '?'] : [],
      );
    },
  };
}

for (const [what, made] of [
  ['the registry itself', byBasic],
  ['the token server', byToken],
] as const) {
  describe(`user and password that ${what} refuses for one repository`, () => {
    it('are good for the others, and rest for that one for a minute', async () => {
      const test = made();
      assert.equal(await test.pull('ours/a'), true);
      assert.equal(await test.pull('theirs'), false);
      assert.equal(await test.pull('theirs'), false);
      assert.equal(await test.pull('ours/b'), true);
      assert.equal(test.auth.transport.isRefused, false);
      await test.auth.clock.advance(60_000);
      assert.equal(await test.pull('theirs'), false);
      assert.equal(await test.pull('ours/c'), true);
      assert.deepEqual(test.carried, ['ours/a', 'theirs', 'ours/b', 'theirs', 'ours/c']);
    });

    it('are good for the others also when that one is asked for first', async () => {
      const test = made();
      assert.equal(await test.pull('theirs'), false);
      assert.equal(await test.pull('ours/a'), true);
      assert.equal(await test.pull('theirs'), false);
      assert.deepEqual(test.carried, ['theirs', 'ours/a']);
    });

    it('are good for the others however many are refused, as long as one is taken in between', async () => {
      const test = made();
      for (let round = 0; round < 5; round += 1) {
        assert.equal(await test.pull(`theirs/${round}`), false);
        assert.equal(await test.pull(`theirs/${round}/x`), false);
        assert.equal(await test.pull(`ours/${round}`), true);
      }
      assert.equal(test.carried.length, 15);
    });

    it('are taken for wrong after three repositories in a row: then they are sent once a minute', async () => {
      const test = made();
      test.change();
      for (let minute = 0; minute < 3; minute += 1) {
        for (let path = 0; path < 10; path += 1) assert.equal(await test.pull(`ours/${path}`), false);
        assert.equal(test.carried.length, 3 + minute);
        assert.equal(test.auth.transport.isRefused, true);
        await test.auth.clock.advance(60_000);
      }
    });

    it('are taken for wrong at once where they had been taken, and sent once a minute', async () => {
      const test = made();
      for (const path of ['ours/a', 'ours/b']) assert.equal(await test.pull(path), true);
      test.change();
      await test.auth.clock.advance(60_000);
      for (const path of ['ours/a', 'ours/b', 'ours/c']) assert.equal(await test.pull(path), false);
      assert.deepEqual(test.carried, ['ours/a', 'ours/b', 'ours/a']);
      await test.auth.clock.advance(60_000);
      for (const path of ['ours/a', 'ours/b', 'ours/c']) assert.equal(await test.pull(path), false);
      assert.equal(test.carried.length, 5);
    });

    it('are good for what they were taken for though strangers are asked for in a row', async () => {
      const test = made();
      assert.equal(await test.pull('ours/a'), true);
      for (const path of ['theirs/a', 'theirs/b', 'theirs/c']) assert.equal(await test.pull(path), false);
      assert.equal(test.auth.transport.isRefused, false);
      assert.equal(test.auth.transport.isRefusedFor(Scope.pull('ours/a')), false);
      assert.equal(test.auth.transport.isRefusedFor(Scope.pull('ours/b')), true);
      await test.auth.clock.advance(30_000);
      assert.equal(await test.pull('ours/a'), true);
      assert.equal(await test.pull('ours/b'), true);
    });

    it('are sent no more than three at a time while nobody knows whether they are right', async () => {
      const test = made();
      test.change();
      const pulls = Array.from({ length: 20 }, async (_, path) => await test.pull(`ours/${path}`));
      assert.deepEqual([...new Set(await Promise.all(pulls))], [false]);
      assert.equal(test.carried.length, 3);
    });

    it('are sent for all who wait as soon as they are taken once', async () => {
      const test = made();
      const pulls = Array.from({ length: 20 }, async (_, path) => await test.pull(`ours/${path}`));
      assert.deepEqual([...new Set(await Promise.all(pulls))], [true]);
    });
  });
}

describe('a password that was revoked', () => {
  it('is not sent for all who wait again as soon as it has rested', async () => {
    const clock = new FakeClock();
    const trials = new PasswordTrials(clock);
    {
      using ours = await trials.begin(Scope.pull('ours'), undefined);
      ours?.taken();
    }
    const sent: number[] = [];
    for (let minute = 0; minute < 3; minute += 1) {
      const begun: Trial[] = [];
      const all = Array.from({ length: 32 }, async (_, path) => {
        const trial = await trials.begin(Scope.pull(`r${path}`), undefined);
        if (trial !== undefined) begun.push(trial);
      });
      await clock.advance(1);
      for (const trial of begun) {
        trial.refused();
        trial[Symbol.dispose]();
      }
      await Promise.all(all);
      sent.push(begun.length);
      await clock.advance(60_000);
    }
    assert.deepEqual(sent, [32, 3, 3]);
  });

  it('is not sent for what it was taken for because a stranger was refused a moment later', async () => {
    const trials = new PasswordTrials(new FakeClock());
    const begin = async (path: string) => await trials.begin(Scope.pull(path), undefined);
    for (const path of ['a', 'b']) {
      using trial = await begin(path);
      trial?.taken();
    }
    const begun = await Promise.all(['a', 'x', 'y', 'z'].map(begin));
    for (const trial of begun) trial?.refused();
    assert.equal(await begin('b'), undefined);
    assert.equal(trials.areWrong, true);
  });
});

describe('whoever waits for what becomes of a password', () => {
  const scope = (path: string) => Scope.pull(path);

  /** So many that wait behind three; what of them is let through. */
  function crowd(trials: PasswordTrials, count: number): { let: Trial[]; ended: () => number } {
    const through: Trial[] = [];
    let ended = 0;
    for (let path = 0; path < 3 + count; path += 1)
      void trials.begin(scope(`r${path}`), undefined).then((trial) => {
        ended += 1;
        if (trial !== undefined) through.push(trial);
      });
    return { let: through, ended: () => ended };
  }

  it('goes one in two seconds while there is no verdict, and not at all once they are refused', async () => {
    const clock = new FakeClock();
    const { let: through, ended } = crowd(new PasswordTrials(clock), 20);
    const counts: number[] = [];
    for (let second = 0; second < 5; second += 1) {
      await clock.advance(1000);
      counts.push(through.length);
    }
    assert.deepEqual(counts, [3, 4, 4, 5, 5]);
    for (const trial of through) trial.refused();
    await clock.advance(0);
    assert.deepEqual([through.length, ended()], [5, 23]);
  });

  it('goes at once when the one that was let through is taken', async () => {
    const clock = new FakeClock();
    const { let: through } = crowd(new PasswordTrials(clock), 20);
    await clock.advance(2000);
    through[3]?.taken();
    await clock.advance(0);
    assert.equal(through.length, 23);
  });

  it('waits two seconds at most: those that carry it may be silent', async () => {
    const clock = new FakeClock();
    const trials = new PasswordTrials(clock);
    const silent = await Promise.all(
      ['a', 'b', 'c'].map(async (path) => await trials.begin(scope(path), undefined)),
    );
    const waiting = trials.begin(scope('d'), undefined);
    await clock.untilSleeping();
    await clock.advance(2000);
    assert.notEqual(await waiting, undefined);
    for (const trial of silent) trial?.[Symbol.dispose]();
  });

  it('leaves with its client, and holds nobody up', async () => {
    const trials = new PasswordTrials(new FakeClock());
    const held = await Promise.all(
      ['a', 'b', 'c'].map(async (path) => await trials.begin(scope(path), undefined)),
    );
    const client = new AbortController();
    const waiting = assert.rejects(trials.begin(scope('d'), client.signal), /gone/);
    client.abort(new Error('gone'));
    await waiting;
    held[0]?.[Symbol.dispose]();
    assert.notEqual(await trials.begin(scope('e'), undefined), undefined);
  });

  it('is let through when a request that carried it ends without a verdict', async () => {
    const reached = gate();
    const auth = new ScriptedAuth({
      registry: async ({ headers, url }) => {
        if (headers?.['authorization'] !== header) return challenged('Basic realm="x"');
        if (url.pathname.includes('/ours/')) return { status: 200 };
        await reached.wait();
        throw new Error('cut');
      },
      credential: basic,
    });
    const cut = ['x/1', 'x/2', 'x/3'].map(async (path) => await assert.rejects(auth.get(path), /cut/));
    await reached.reached;
    const waiting = auth.get('ours/a');
    reached.open();
    await Promise.all(cut);
    assert.equal(await waiting, 200);
  });
});
