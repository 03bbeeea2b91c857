import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type About, type Asking, Rights } from '#src/door/rights/rights.ts';
import { ShownCredentials } from '#src/door/rights/shown-credential.ts';
import { RegistryError } from '#src/oci/error.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { basicHeader } from '#test/fakes/passwords.ts';
import { secret } from '#test/fakes/secrets.ts';

const shown = new ShownCredentials();
const manifest = (of: string): About => ({ kind: 'manifest', of });
const denied = new RegistryError('DENIED');
const absent = new RegistryError('MANIFEST_UNKNOWN');
const away = new RegistryError('UNAVAILABLE');

/** Somebody, and what the registry says when it is asked for him. */
function somebody(user: string, address = '10.0.0.1') {
  const asker = shown.of(basicHeader(user, secret(`of-${user}`)), address);
  assert.ok(asker);
  const asked: string[] = [];
  const state = { answer: async (_of: string): Promise<void> => {} };
  const asking: Asking = {
    asker,
    repository: 'team/app',
    ask: async ({ of }) => {
      asked.push(of);
      await state.answer(of);
    },
  };
  return { asking, asked, state };
}

function open(staleGrantMs = 3_600_000) {
  const clock = new FakeClock();
  const rights = new Rights({ clock, staleGrantMs, patienceMs: 2000 });
  const prove = async ({ asking }: { asking: Asking }, of = 'v1', ...others: string[]): Promise<void> =>
    await rights.prove(asking, manifest(of), async () => [of, ...others].map(manifest));
  return { clock, rights, prove };
}

describe('what a registry lets somebody have', () => {
  it('is known for a minute from before it was asked', async () => {
    const { clock, prove } = open();
    const alice = somebody('alice');
    alice.state.answer = async () => await clock.advance(30_000);
    await prove(alice);
    alice.state.answer = async () => {};
    await clock.advance(29_999);
    await prove(alice, 'v2');
    assert.deepEqual(alice.asked, ['v1']);
    await clock.advance(1);
    await prove(alice, 'v2');
    assert.deepEqual(alice.asked, ['v1', 'v2']);
  });

  it('is of one credential and one repository', async () => {
    const { prove, rights } = open();
    const [alice, bob] = [somebody('alice'), somebody('bob')];
    await prove(alice);
    bob.state.answer = async () => await Promise.reject(denied);
    await assert.rejects(prove(bob), denied);
    alice.state.answer = bob.state.answer;
    const elsewhere = { ...alice.asking, repository: 'team/other' };
    await assert.rejects(
      rights.prove(elsewhere, manifest('v1'), async () => [manifest('v1')]),
      denied,
    );
    await prove(alice);
  });

  it('is asked once for all that come at a time', async () => {
    const { prove } = open();
    const alice = somebody('alice');
    await Promise.all(Array.from({ length: 10 }, async () => await prove(alice)));
    assert.deepEqual(alice.asked, ['v1']);
  });

  it('is shown by the next thing where one is not there', async () => {
    const { prove } = open();
    const alice = somebody('alice');
    alice.state.answer = async (of) => (of === 'gone' ? await Promise.reject(absent) : undefined);
    await prove(alice, 'gone', 'v1', 'v2');
    assert.deepEqual(alice.asked, ['gone', 'v1']);
  });

  it('ends with a refusal, whatever that was about, and one that was asked for before does not renew it', async () => {
    const { clock, rights, prove } = open();
    const alice = somebody('alice');
    await prove(alice);
    await clock.advance(60_000);
    const late = Promise.withResolvers<void>();
    alice.state.answer = async () => await late.promise;
    const proving = prove(alice);
    while (alice.asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await rights.answered(alice.asking, { kind: 'blob', of: 'x' }, denied);
    assert.equal(rights.holds(alice.asking), false);
    // The answer of before it says yes; asked again it says no.
    alice.state.answer = async () => await Promise.reject(denied);
    late.resolve();
    await assert.rejects(proving, denied);
    assert.equal(rights.holds(alice.asking), false);
  });

  it('of a thing that is refused is not asked for again for ten seconds; of others it is', async () => {
    const { clock, prove } = open();
    const alice = somebody('alice');
    alice.state.answer = async (of) => (of === 'blocked' ? await Promise.reject(denied) : undefined);
    for (let turn = 0; turn < 3; turn += 1) await assert.rejects(prove(alice, 'blocked'), denied);
    await prove(alice, 'v1');
    await assert.rejects(prove(alice, 'blocked'), denied);
    assert.deepEqual(alice.asked, ['blocked', 'v1']);
    await clock.advance(10_000);
    await clock.advance(50_000);
    await assert.rejects(prove(alice, 'blocked'), denied);
    assert.deepEqual(alice.asked, ['blocked', 'v1', 'blocked']);
  });

  it('outlasts that something is not there, if what was given before is still given', async () => {
    const { clock, rights, prove } = open();
    const [alice, bob] = [somebody('alice'), somebody('bob')];
    for (const who of [alice, bob]) await prove(who);
    await clock.advance(60_000);
    alice.state.answer = async (of) => (of === 'none' ? await Promise.reject(absent) : undefined);
    bob.state.answer = async () => await Promise.reject(absent);
    for (const who of [alice, bob]) await assert.rejects(prove(who, 'none'), absent);
    assert.deepEqual([rights.holds(alice.asking), rights.holds(bob.asking)], [true, false]);
    assert.deepEqual(
      [alice.asked, bob.asked],
      [
        ['v1', 'none', 'v1'],
        ['v1', 'none', 'v1'],
      ],
    );
  });
});

describe('while a registry cannot be asked', () => {
  it('who was let is believed for so long and no longer, and waits for it now and then', async () => {
    const { clock, prove } = open(600_000);
    const [alice, bob] = [somebody('alice'), somebody('bob')];
    await prove(alice);
    for (const who of [alice, bob]) who.state.answer = async () => await Promise.reject(away);
    await clock.advance(60_000);
    for (let turn = 0; turn < 5; turn += 1) await prove(alice);
    assert.deepEqual(alice.asked, ['v1', 'v1']);
    await assert.rejects(prove(bob), away);
    await clock.advance(539_999);
    await prove(alice);
    await clock.advance(1);
    await assert.rejects(prove(alice), away);
  });

  it('who is believed waits two seconds for it, and what it says then counts', async () => {
    const { clock, rights, prove } = open();
    const alice = somebody('alice');
    await prove(alice);
    await clock.advance(60_000);
    const late = Promise.withResolvers<void>();
    alice.state.answer = async () => await late.promise;
    const proving = prove(alice);
    await clock.untilPausing();
    await clock.advance(2000);
    await proving;
    late.reject(denied);
    await clock.advance(1);
    assert.equal(rights.holds(alice.asking), false);
  });
});

describe('who is let have more repositories than are remembered', () => {
  it('is forgotten himself, and nobody of another address', async () => {
    const { clock, rights, prove } = open();
    const [alice, mallory] = [somebody('alice', '10.0.0.1'), somebody('mallory', '10.0.0.2')];
    await prove(alice);
    for (let at = 0; at < 10_001; at += 1) {
      const asking = { ...mallory.asking, repository: `public/${at}` };
      await rights.prove(asking, manifest('v1'), async () => [manifest('v1')]);
    }
    assert.equal(rights.holds({ ...mallory.asking, repository: 'public/0' }), false);
    assert.equal(rights.holds({ ...mallory.asking, repository: 'public/10000' }), true);
    alice.state.answer = async () => await Promise.reject(away);
    await clock.advance(60_000);
    await prove(alice);
  });

  it('makes no answer of before a refusal count, however many others are refused meanwhile', async () => {
    const { rights, prove } = open();
    const [alice, mallory] = [somebody('alice', '10.0.0.1'), somebody('mallory', '10.0.0.2')];
    await prove(alice);
    await rights.answered(alice.asking, manifest('v1'), denied);
    const late = Promise.withResolvers<void>();
    alice.state.answer = async () => await late.promise;
    const proving = prove(alice, 'v2');
    while (alice.asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await rights.answered(alice.asking, { kind: 'blob', of: 'x' }, denied);
    for (let at = 0; at < 10_001; at += 1)
      await rights.answered({ ...mallory.asking, repository: `private/${at}` }, manifest('v1'), denied);
    alice.state.answer = async () => await Promise.reject(denied);
    late.resolve();
    await assert.rejects(proving, denied);
    assert.equal(rights.holds(alice.asking), false);
  });
});

describe('who shows a registry one wrong password after the other', () => {
  it('is shown to it ten times, eight at once, and then not for a minute', async () => {
    const { clock, prove } = open();
    let [running, most, shownTimes] = [0, 0, 0];
    const guess = async (at: number, address = '10.0.0.1'): Promise<string> => {
      const guesser = somebody(`guesser-${at}`, address);
      guesser.state.answer = async () => {
        shownTimes += 1;
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        throw denied;
      };
      return await prove(guesser).then(
        () => 'let',
        (error: RegistryError) => error.code,
      );
    };
    const codes = await Promise.all(Array.from({ length: 500 }, async (_, at) => await guess(at)));
    assert.equal(most, 8);
    assert.ok(shownTimes >= 10 && shownTimes < 20, String(shownTimes));
    assert.ok(codes.filter((code) => code === 'TOOMANYREQUESTS').length > 470);
    // Another address is another's.
    assert.equal(await guess(1000, '10.0.0.2'), 'DENIED');
    await clock.advance(60_000);
    assert.equal(await guess(2000), 'DENIED');
  });

  it('keeps nobody elsewhere waiting while the registry does not answer about him', async () => {
    const { prove } = open();
    const silent = Promise.withResolvers<void>();
    const mallory = somebody('mallory');
    mallory.state.answer = async () => await silent.promise;
    const his = Array.from({ length: 20 }, async (_, at) => await prove(mallory, `his-${at}`));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(mallory.asked.length, 8);
    const others = Array.from({ length: 12 }, (_, at) => somebody(`other-${at}`, `10.0.1.${at}`));
    let waiting = 0;
    const theirs = others
      .flatMap((other) => [1, 2, 3].map((at) => prove(other, `v${at}`)))
      .map(async (proof) => {
        waiting += 1;
        await proof;
        waiting -= 1;
      });
    for (let turn = 0; turn < 100 && waiting > 0; turn += 1)
      await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([waiting, mallory.asked.length], [0, 8]);
    silent.resolve();
    await Promise.all([...his, ...theirs]);
    assert.equal(mallory.asked.length, 20);
  });

  it('keeps out nobody who was let, from wherever he comes', async () => {
    const { clock, rights, prove } = open();
    const alice = somebody('alice');
    await prove(alice);
    for (let at = 0; at < 12; at += 1) {
      const guesser = somebody(`other-${at}`);
      guesser.state.answer = async () => await Promise.reject(denied);
      await assert.rejects(prove(guesser));
    }
    await assert.rejects(prove(somebody('dave')), { code: 'TOOMANYREQUESTS' });
    await prove(alice);
    await clock.advance(59_999);
    await prove(alice);
    // What he was let have elsewhere says nothing: a registry may let anybody have that.
    const elsewhere = { ...alice.asking, repository: 'team/other' };
    const asked = rights.prove(elsewhere, manifest('v1'), async () => [manifest('v1')]);
    await assert.rejects(asked, { code: 'TOOMANYREQUESTS' });
    assert.deepEqual(alice.asked, ['v1']);
  });
});

describe('a credential that is shown to a registry', () => {
  it('is a user with a password by Basic, and is known again by a key that says nothing of it', () => {
    const header = basicHeader('alice', secret('x'));
    const one = shown.of(header, '::ffff:10.0.0.1');
    assert.deepEqual([one?.user, one?.network], ['alice', '10.0.0.1']);
    assert.equal(shown.of(header.replace('Basic', 'bAsIc '), undefined)?.key, one?.key);
    assert.notEqual(new ShownCredentials().of(header, undefined)?.key, one?.key);
    assert.notEqual(shown.of(basicHeader('alice', secret('y')), undefined)?.key, one?.key);
    for (const none of [undefined, '', 'Basic', 'Basic Og==', 'Bearer abc', 'Basic !!!', 'Basic YQ=='])
      assert.equal(shown.of(none, undefined), undefined, none);
  });
});
