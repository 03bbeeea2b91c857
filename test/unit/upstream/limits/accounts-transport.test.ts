import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { staticCredentials } from '#src/credentials/credentials.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag } from '#src/oci/reference.ts';
import type { NamedCredentials, UpstreamSettings } from '#src/upstream/upstream.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { bytes, collect, type Image, putImage } from '#test/fakes/images.ts';
import { basicUser, knowsPasswords, MeteredAccounts, rightPassword } from '#test/fakes/metered-accounts.ts';
import { secret } from '#test/fakes/secrets.ts';
import type { Fault, LoggedRequest } from '#test/fakes/upstream-answers.ts';
import { failing, on } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const v1 = parseTag('v1');

function account(user: string, password = rightPassword): NamedCredentials {
  return { user, credentials: staticCredentials({ kind: 'basic', username: user, password }) };
}

/** Takes alice for alpine and bob for everything else. */
const eachItsOwn: Fault = async (request, next) => {
  const owner = request.path.includes('/library/alpine/') ? 'alice' : 'bob';
  const challenge = { 'WWW-Authenticate': 'Basic realm="fake"' };
  return basicUser(request.headers.authorization ?? '') === owner
    ? await next()
    : await failing(401, challenge)(request, next);
};

/** A client with several accounts, its upstream, and an image there. */
class AccountsUnderTest implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly made: UpstreamUnderTest;
  readonly image: Image;

  private constructor(clock: FakeClock, made: UpstreamUnderTest) {
    this.clock = clock;
    this.made = made;
    this.image = putImage(made.upstream.content, made.name, 'v1', [bytes(100)]);
  }

  static async start(accounts: readonly NamedCredentials[], ...faults: Fault[]): Promise<AccountsUnderTest> {
    const clock = new FakeClock();
    const settings: Partial<UpstreamSettings> = { accounts, clock };
    const made = await UpstreamUnderTest.start(settings);
    made.spoil(...faults);
    return new AccountsUnderTest(clock, made);
  }

  async pull(times = 1): Promise<void> {
    for (let time = 0; time < times; time += 1) await this.made.registry.getManifest(this.made.name, v1);
  }

  /** An image of each of three other repositories, whatever comes of it. */
  async pullElsewhere(): Promise<void> {
    for (const path of ['library/a', 'library/b', 'library/c']) {
      const name = this.made.upstream.repository(path);
      putImage(this.made.upstream.content, name, 'v1', []);
      await this.made.registry.getManifest(name, v1).catch(() => undefined);
    }
  }

  async blob(): Promise<void> {
    const digest = this.image.layers[0]?.digest ?? this.image.config.digest;
    await using reader = await this.made.registry.getBlob(this.made.name, digest);
    assert.equal((await collect(reader.body)).length, 100);
  }

  /** So many requests carried this user's password. */
  tries(user: string): number {
    return this.made.upstream.requests.filter(
      ({ headers: { authorization = '' } }) => basicUser(authorization) === user,
    ).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made[Symbol.asyncDispose]();
  }
}

/** Whose limit it is the operator is told, and not the client. */
function limitedAs(user: string) {
  return (error: unknown): true => {
    assert.ok(error instanceof RegistryError);
    assert.deepEqual([error.code, error.headers['Retry-After']], ['TOOMANYREQUESTS', '60']);
    assert.match(error.message, /answered 429$/);
    assert.match(error.wording.forOperator, new RegExp(`pull rate limit of ${user}$`));
    return true;
  };
}

describe('several accounts at one registry', () => {
  it('pull in turn by what is left of their quotas; what is not known counts as full', async () => {
    const meter = new MeteredAccounts({
      alice: { limit: 100, remaining: 6 },
      bob: { limit: 200, remaining: 9 },
    });
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords, meter.fault);
    await test.pull(8);
    // 6 and unknown, 5 and unknown, 5 and 8, 7, 6, 5: the first of equals, then 4 and 5.
    assert.deepEqual(meter.users, ['alice', 'bob', 'bob', 'bob', 'bob', 'alice', 'bob', 'alice']);
    assert.deepEqual(test.made.registry.quotas, [
      { limit: 100, remaining: 3, windowMs: 21_600_000 },
      { limit: 200, remaining: 4, windowMs: 21_600_000 },
    ]);
  });

  it('know nothing any more of a quota whose window is over', async () => {
    const meter = new MeteredAccounts({
      alice: { limit: 100, remaining: 6 },
      bob: { limit: 200, remaining: 90 },
    });
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords, meter.fault);
    await test.pull(3);
    await test.clock.advance(21_600_000);
    assert.deepEqual(test.made.registry.quotas, [undefined, undefined]);
    await test.pull();
    assert.deepEqual(meter.users, ['alice', 'bob', 'bob', 'alice']);
  });

  it('are the first one alone at a registry that tells no quota', async () => {
    const meter = new MeteredAccounts({});
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords, meter.fault);
    await test.pull(3);
    await test.blob();
    assert.deepEqual(meter.users, ['alice', 'alice', 'alice', 'alice']);
  });

  it('share the load of one that is limited, which rests for as long as its answer says', async () => {
    const meter = new MeteredAccounts({
      alice: { limit: 100, remaining: 0, retryAfter: '60' },
      bob: { limit: 100, remaining: 50 },
    });
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords, meter.fault);
    await test.pull(2);
    assert.deepEqual(meter.users, ['alice', 'bob', 'bob']);
    assert.deepEqual(test.made.oddities, []);
    await test.clock.advance(60_000);
    await test.pull();
    assert.deepEqual(meter.users, ['alice', 'bob', 'bob', 'bob']);
  });

  it('are limited when all are: nothing is asked until the first may be asked again', async () => {
    const meter = new MeteredAccounts({
      alice: { limit: 100, remaining: 0, retryAfter: '60' },
      bob: { limit: 100, remaining: 0 },
    });
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords, meter.fault);
    await assert.rejects(test.pull(), limitedAs('bob'));
    await test.clock.advance(50_000);
    await assert.rejects(test.pull(), { code: 'TOOMANYREQUESTS', headers: { 'Retry-After': '10' } });
    assert.deepEqual(meter.users, ['alice', 'bob']);
    assert.deepEqual(test.made.oddities, ['upstream limits requests']);
    await test.clock.advance(10_000);
    await assert.rejects(test.pull(), limitedAs('alice'));
    assert.deepEqual(meter.users, ['alice', 'bob', 'alice']);
  });

  it('rests five minutes where the time that is said is a mistake', async () => {
    const day = { limit: 100, remaining: 0, retryAfter: '86400' };
    const meter = new MeteredAccounts({ alice: day, bob: day });
    await using test = await AccountsUnderTest.start(
      [account('alice'), account('bob')],
      knowsPasswords,
      meter.fault,
    );
    await assert.rejects(test.pull(), { code: 'TOOMANYREQUESTS' });
    await test.clock.advance(300_000);
    await assert.rejects(test.pull(), { code: 'TOOMANYREQUESTS' });
    assert.deepEqual(meter.users, ['alice', 'bob', 'alice', 'bob']);
  });

  it('still fetch blobs when no pull is left', async () => {
    const meter = new MeteredAccounts({
      alice: { limit: 100, remaining: 0 },
      bob: { limit: 100, remaining: 0 },
    });
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords, meter.fault);
    await assert.rejects(test.pull(), { code: 'TOOMANYREQUESTS' });
    await test.blob();
    assert.equal(meter.calls.at(-1), `alice GET blobs/${test.image.layers[0]?.digest}`);
  });

  it('go on without one whose password is refused; the log says so once, by its name', async () => {
    const meter = new MeteredAccounts({ bob: { limit: 100, remaining: 50 } });
    const accounts = [account('alice', secret('wrong')), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords, meter.fault);
    await test.pull(3);
    assert.deepEqual(meter.users, ['bob', 'bob', 'bob']);
    assert.equal(test.tries('alice'), 1);
    assert.deepEqual(test.made.oddities, []);
    await test.pullElsewhere();
    await test.pullElsewhere();
    assert.equal(test.tries('alice'), 3);
    await test.clock.advance(60_000);
    await test.pull();
    await test.pullElsewhere();
    assert.equal(test.tries('alice'), 4);
    assert.deepEqual(test.made.oddities, ['user and password of an account are refused: the others go on']);
  });

  it('are refused when all are', async () => {
    const accounts = [account('alice', secret('wrong')), account('bob', secret('wrong'))];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords);
    await assert.rejects(test.pull(), { code: 'DENIED' });
    await assert.rejects(test.pull(), { code: 'DENIED' });
    assert.deepEqual([test.tries('alice'), test.tries('bob')], [1, 1]);
  });

  it('are limited when those that are not refused are', async () => {
    const meter = new MeteredAccounts({ bob: { limit: 100, remaining: 0, retryAfter: '60' } });
    const accounts = [account('alice', secret('wrong')), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords, meter.fault);
    await test.pullElsewhere();
    const limited = { code: 'TOOMANYREQUESTS', headers: { 'Retry-After': '60' } };
    await assert.rejects(test.pull(), limited);
    await assert.rejects(test.pull(), limited);
    assert.deepEqual([test.tries('alice'), test.tries('bob')], [3, 1]);
  });

  it('leave it open whether one was refused for its password or for the repository', async () => {
    const accounts = [account('alice', secret('wrong')), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords);
    await test.pull(2);
    await test.pullElsewhere();
    assert.deepEqual([test.tries('alice'), test.tries('bob')], [3, 5]);
  });

  it('keep their own repositories, and their name in the log, however many of another’s they are refused', async () => {
    await using test = await AccountsUnderTest.start([account('alice'), account('bob')], eachItsOwn);
    await test.pull();
    await test.pullElsewhere();
    await test.pullElsewhere();
    await test.pull();
    assert.deepEqual([test.tries('alice'), test.tries('bob')], [5, 6]);
    assert.deepEqual(test.made.oddities, []);
  });

  it('leave a repository that one was refused for a moment ago refused while the other is limited', async () => {
    const meter = new MeteredAccounts({ bob: { limit: 100, remaining: 0 } });
    await using test = await AccountsUnderTest.start(
      [account('alice'), account('bob')],
      meter.fault,
      eachItsOwn,
    );
    const other = test.made.upstream.repository('library/a');
    for (let time = 0; time < 2; time += 1)
      await assert.rejects(test.made.registry.getManifest(other, v1), { code: 'DENIED' });
    await test.pull();
    assert.deepEqual([test.tries('alice'), test.tries('bob')], [2, 1]);
    assert.deepEqual(test.made.oddities, []);
  });

  it('stand in for one another where one may not read a repository', async () => {
    const meter = new MeteredAccounts({
      alice: { limit: 100, remaining: 90 },
      bob: { limit: 100, remaining: 50 },
    });
    const onlyBob: Fault = async (request, next) =>
      basicUser(request.headers.authorization ?? '') === 'bob'
        ? await next()
        : await failing(403)(request, next);
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(
      accounts,
      knowsPasswords,
      meter.fault,
      on('GET /v2/library/alpine/', onlyBob),
    );
    await test.pull();
    assert.deepEqual(meter.users, ['alice', 'bob']);
  });

  it('leave a repository that one may not read refused while the other is limited, and others pullable', async () => {
    const meter = new MeteredAccounts({
      alice: { limit: 100, remaining: 90 },
      bob: { limit: 100, remaining: 0 },
    });
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, knowsPasswords, meter.fault);
    const other = test.made.upstream.repository('private/app');
    test.made.upstream.faults.push(on('GET /v2/private/app/', failing(403)));
    await assert.rejects(test.made.registry.getManifest(other, v1), { code: 'DENIED' });
    assert.deepEqual(meter.users, ['alice', 'bob']);
    await test.pull();
    assert.deepEqual(test.made.oddities, []);
  });
});

describe('the tokens of several accounts', () => {
  it('are sent for the account alone that they were had by', async () => {
    await using tokens = await FakeTokenServer.start();
    // `…token-1` is the answer to the token server's first request.
    const ownerOf = (authorization: string) => {
      const [, number] = /^Bearer .*token-(\d+)$/.exec(authorization) ?? [];
      return basicUser(tokens.requests[Number(number) - 1]?.headers.authorization ?? '');
    };
    const meter = new MeteredAccounts(
      { alice: { limit: 100, remaining: 50 }, bob: { limit: 100, remaining: 50 } },
      ownerOf,
    );
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, tokens.fault, meter.fault);
    await test.pull(5);
    await test.blob();
    assert.deepEqual(meter.users, ['alice', 'bob', 'alice', 'bob', 'alice', 'alice']);
    const askers = tokens.requests.map(({ headers: { authorization = '' } }) => basicUser(authorization));
    assert.deepEqual(askers, ['alice', 'bob']);
  });

  it('are used for blobs before another is asked for, whoever has more left', async () => {
    await using tokens = await FakeTokenServer.start();
    const meter = new MeteredAccounts({}, () => undefined);
    const accounts = [account('alice', secret('wrong')), account('bob')];
    tokens.spoil(async (request, next) =>
      basicUser(request.headers.authorization ?? '') === 'bob'
        ? await next()
        : await failing(401)(request, next),
    );
    await using test = await AccountsUnderTest.start(accounts, tokens.fault, meter.fault);
    await test.pull();
    await test.clock.advance(60_000);
    await test.blob();
    const askers = tokens.requests.map(({ headers: { authorization = '' } }) => basicUser(authorization));
    assert.deepEqual(askers, ['alice', 'bob']);
  });

  it('are had by another account when the token server limits one, which rests as it says', async () => {
    await using tokens = await FakeTokenServer.start();
    const isAlice = ({ headers: { authorization = '' } }: LoggedRequest) =>
      basicUser(authorization) === 'alice';
    tokens.spoil(async (request, next) =>
      isAlice(request) ? await failing(429, { 'Retry-After': '60' })(request, next) : await next(),
    );
    const accounts = [account('alice'), account('bob')];
    await using test = await AccountsUnderTest.start(accounts, tokens.fault);
    await test.pull(3);
    assert.equal(tokens.requests.filter(isAlice).length, 1);
    await test.clock.advance(60_000);
    await test.pull();
    assert.equal(tokens.requests.filter(isAlice).length, 2);
    assert.deepEqual(test.made.oddities, []);
  });
});
