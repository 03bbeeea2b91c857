import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type NameLookupSettings, NameLookups } from '#src/net/dial/name-lookups.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { addressOf, ScriptedNames } from '#test/fakes/scripted-names.ts';

/** A clock that is never twice the same, as real ones are not. */
class TickingClock extends FakeClock {
  #ticks = 0;

  override monotonic(): number {
    this.#ticks += 0.001;
    return super.monotonic() + this.#ticks;
  }
}

function start(settings: Partial<NameLookupSettings> = {}) {
  const clock = new TickingClock();
  const log = new LogLines();
  const system = new ScriptedNames();
  /** Asked past the system. */
  const past: string[] = [];
  const names = new NameLookups({
    clock,
    log,
    threads: 3,
    resolve: system.resolve,
    ask: async (name) => {
      past.push(name);
      return [];
    },
    ...settings,
  });
  const found = async (name: string) => (await names.lookUp(name)).map(({ address }) => address);
  return {
    clock,
    log,
    system,
    past,
    names,
    found,
    /** What becomes of it, without waiting for it. */
    outcome(name: string) {
      const outcome: { found?: readonly string[]; code?: string } = {};
      found(name).then(
        (addresses) => Object.assign(outcome, { found: addresses }),
        ({ code }: { code: string }) => Object.assign(outcome, { code }),
      );
      return outcome;
    },
    /** Is known from now on. */
    async learn(name: string, ...addresses: string[]) {
      const looking = found(name);
      system.answer(name, ...addresses);
      await looking;
    },
  };
}

const crowd = (count: number) => Array.from({ length: count }, (_, at) => `n${at}.silent.example`);

describe('a name', () => {
  it('is looked up once for all who ask at a time, and anew after ten seconds', async () => {
    const { system, found, clock } = start();
    const asking = [found('a.example'), found('a.example'), found('a.example')];
    system.answer('a.example', '203.0.113.1', '2001:db8::1');
    for (const each of asking) assert.deepEqual(await each, ['203.0.113.1', '2001:db8::1']);
    await clock.advance(9999);
    assert.deepEqual(await found('a.example'), ['203.0.113.1', '2001:db8::1']);
    assert.deepEqual(system.asked, ['a.example']);
    await clock.advance(1);
    const again = found('a.example');
    system.answer('a.example', '203.0.113.2');
    assert.deepEqual(await again, ['203.0.113.2']);
  });

  it('that does not exist is not asked for again for two seconds, and forgotten where it was', async () => {
    const { system, found, clock, learn } = start();
    await learn('a.example', '203.0.113.1');
    await clock.advance(10_000);
    const gone = assert.rejects(found('a.example'), { code: 'ENOTFOUND' });
    system.fail('a.example', 'ENOTFOUND');
    await gone;
    await clock.advance(1999);
    await assert.rejects(found('a.example'), { code: 'ENOTFOUND' });
    assert.equal(system.asked.length, 2);
    await clock.advance(1);
    await learn('a.example', '203.0.113.2');
  });

  it('of which the name server could not say anything is asked for again at once', async () => {
    const { system, found, learn } = start();
    const failed = assert.rejects(found('a.example'), { code: 'EAI_AGAIN' });
    system.fail('a.example', 'EAI_AGAIN');
    await failed;
    await learn('a.example', '203.0.113.1');
  });

  it('at which nobody could be connected to is looked up anew', async () => {
    const { system, found, names, learn } = start();
    await learn('a.example', '203.0.113.1');
    names.doubt('a.example');
    names.doubt('b.example');
    await learn('a.example', '203.0.113.2');
    assert.deepEqual(await found('a.example'), ['203.0.113.2']);
    assert.deepEqual(system.asked, ['a.example', 'a.example']);
  });

  it('that is none is not asked for', async () => {
    const { system, past, found } = start();
    for (const name of [
      '',
      'a\0.example',
      'a b',
      'a/b',
      'fe80::1%eth0',
      'ä.example',
      'a。example',
      `${'a'.repeat(255)}`,
    ])
      await assert.rejects(found(name), { code: 'EBADNAME' }, name);
    assert.deepEqual([system.asked, past], [[], []]);
  });

  it('is one of a thousand that are remembered, and its addresses are not endless', async () => {
    const { system, learn } = start();
    await learn('first.example', '203.0.113.1');
    for (let at = 0; at < 1000; at += 1) await learn(`n${at}.example`, '203.0.113.1');
    await learn('first.example', ...Array.from({ length: 100 }, (_, at) => `203.0.113.${at}`));
    assert.equal(system.asked.length, 1002);
    const { found, learn: learnMany } = start();
    await learnMany('many.example', ...Array.from({ length: 100 }, (_, at) => `203.0.113.${at}`));
    assert.equal((await found('many.example')).length, 32);
  });
});

describe('while the name server is silent', () => {
  it('lookups hold no more threads than are for them, those included that nobody waits for any more', async () => {
    const { system, clock, names, outcome, log } = start();
    const outcomes = crowd(40).map(outcome);
    await clock.advance(2000);
    assert.deepEqual(
      outcomes.slice(3).map(({ code }) => code),
      Array.from({ length: 37 }, () => 'ECANCELLED'),
    );
    assert.deepEqual(outcomes.slice(0, 3), [{}, {}, {}]);
    await clock.advance(2000);
    assert.deepEqual(
      outcomes.slice(0, 3).map(({ code }) => code),
      ['ETIMEOUT', 'ETIMEOUT', 'ETIMEOUT'],
    );
    for (const name of crowd(40)) outcome(name);
    await clock.advance(60_000);
    assert.deepEqual([system.most, system.hanging, system.asked.length, names.hung], [3, 3, 3, 3]);
    assert.equal(log.at('warn').length, 3);
    assert.equal(clock.sleeping, 0);
    system.fail('n0.silent.example', 'EAI_AGAIN');
    await clock.advance(0);
    // Of those that waited in vain none is looked up now.
    assert.deepEqual([system.hanging, names.hung], [2, 2]);
  });

  it('what is known is used on: at first after half a second, then at once', async () => {
    const { system, clock, outcome, learn } = start();
    await learn('a.example', '203.0.113.1');
    await clock.advance(3_600_000);
    const first = outcome('a.example');
    await clock.advance(499);
    assert.deepEqual(first, {});
    await clock.advance(1);
    assert.deepEqual(first, { found: ['203.0.113.1'] });
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(2000);
      const next = outcome('a.example');
      await clock.advance(0);
      assert.deepEqual(next, { found: ['203.0.113.1'] });
    }
    assert.equal(system.asked.length, 2);
    system.answer('a.example', '203.0.113.2');
    await clock.advance(0);
    const fresh = outcome('a.example');
    await clock.advance(0);
    assert.deepEqual(fresh, { found: ['203.0.113.2'] });
    assert.equal(system.asked.length, 2);
  });

  it('what is known is used on also by a name for which there is no thread, and where the name server fails', async () => {
    const { system, clock, outcome, learn } = start();
    await learn('a.example', '203.0.113.1');
    await clock.advance(10_000);
    const failing = outcome('a.example');
    system.fail('a.example', 'EAI_AGAIN');
    await clock.advance(0);
    assert.deepEqual(failing, { found: ['203.0.113.1'] });
    for (const name of crowd(3)) outcome(name);
    await clock.advance(2000);
    const crowded = outcome('a.example');
    await clock.advance(500);
    assert.deepEqual(crowded, { found: ['203.0.113.1'] });
  });

  it('a name is asked for past the system also where nobody can be connected to at what is known, and is that if nothing else is found', async () => {
    let addresses = ['203.0.113.2'];
    const { clock, outcome, learn, names } = start({ ask: async () => addresses.map(addressOf) });
    await learn('a.example', '203.0.113.1');
    await clock.advance(10_000);
    for (const name of crowd(3)) outcome(name);
    names.doubt('a.example');
    const moved = outcome('a.example');
    await clock.advance(500);
    assert.deepEqual(moved, { found: ['203.0.113.2'] });
    addresses = [];
    names.doubt('a.example');
    const known = outcome('a.example');
    await clock.advance(1999);
    assert.deepEqual(known, {});
    await clock.advance(1);
    assert.deepEqual(known, { found: ['203.0.113.2'] });
  });

  it('a name is asked for past the system where that has no thread or no answer, and used if it is found there', async () => {
    const asked: string[] = [];
    const { clock, outcome, system } = start({
      threads: 1,
      ask: async (name) => {
        asked.push(name);
        return name === 'silent.example' ? [] : [addressOf('203.0.113.9')];
      },
    });
    const silent = outcome('silent.example');
    const other = outcome('other.example');
    await clock.advance(499);
    assert.deepEqual(asked, []);
    await clock.advance(1);
    assert.deepEqual(asked, ['silent.example', 'other.example']);
    assert.deepEqual(other, { found: ['203.0.113.9'] });
    assert.deepEqual(silent, {});
    const again = outcome('other.example');
    await clock.advance(0);
    assert.deepEqual(again, { found: ['203.0.113.9'] });
    assert.deepEqual([asked.length, system.asked], [2, ['silent.example']]);
  });

  it('that nothing is found past the system is not believed', async () => {
    const { clock, outcome, system } = start({ threads: 1 });
    outcome('silent.example');
    const other = outcome('registry.namespace');
    await clock.advance(500);
    system.fail('silent.example', 'EAI_AGAIN');
    await clock.advance(0);
    system.answer('registry.namespace', '10.0.0.7');
    await clock.advance(0);
    assert.deepEqual(other, { found: ['10.0.0.7'] });
  });

  it('no more than 64 names are asked for past the system at a time, and none longer than anybody waits', async () => {
    let asking = 0;
    let most = 0;
    const { clock, outcome } = start({
      threads: 1,
      ask: async (_, signal) => {
        asking += 1;
        most = Math.max(most, asking);
        const ended = Promise.withResolvers<never>();
        signal.addEventListener('abort', () => ended.reject(signal.reason));
        return await ended.promise.finally(() => (asking -= 1));
      },
    });
    const outcomes = crowd(100).map(outcome);
    await clock.advance(500);
    assert.equal(asking, 64);
    await clock.advance(1500);
    assert.equal(outcomes[1]?.code, 'ETIMEOUT');
    assert.equal(outcomes.at(-1)?.code, 'ECANCELLED');
    await clock.advance(2000);
    assert.deepEqual([asking, most], [0, 64]);
  });

  it('an answer that comes late is kept for the next who asks', async () => {
    const { clock, outcome, system, log } = start();
    const early = outcome('a.example');
    await clock.advance(500);
    await clock.advance(3500);
    assert.equal(early.code, 'ETIMEOUT');
    await clock.advance(6000);
    system.answer('a.example', '203.0.113.1');
    await clock.advance(0);
    const late = outcome('a.example');
    await clock.advance(0);
    assert.deepEqual(late, { found: ['203.0.113.1'] });
    assert.match(
      log.lines.join('\n'),
      /^warn .* name: 'a\.example' \}\ninfo .* name: 'a\.example', ms: 10000 \}$/,
    );
  });

  it('whoever asks for a name that hangs already waits two seconds, and joins that lookup', async () => {
    const { clock, outcome, system, past } = start();
    outcome('a.example');
    await clock.advance(500);
    await clock.advance(3500);
    const second = outcome('a.example');
    await clock.advance(0);
    assert.deepEqual(past, ['a.example', 'a.example']);
    await clock.advance(2000);
    assert.equal(second.code, 'ETIMEOUT');
    assert.equal(system.asked.length, 1);
  });
});
