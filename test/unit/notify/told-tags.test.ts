import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ToldTags } from '#src/notify/told-tags.ts';
import { parseTag } from '#src/oci/reference.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const one = repository('one.example/app');
const two = repository('two.example/app');
const v1 = parseTag('v1');

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Each piece of work waits until the test ends it. */
function held(limits: Partial<{ width: number; widthOfOne: number }> = {}) {
  const [clock, log] = [new FakeClock(), new LogLines()];
  const begun: string[] = [];
  const running: PromiseWithResolvers<void>[] = [];
  const tags = new ToldTags({
    ...{ width: 8, widthOfOne: 2, what: 'the work', clock, log, ...limits },
    work: async (name, tag) => {
      begun.push(`${name}:${tag}`);
      const done = Promise.withResolvers<void>();
      running.push(done);
      await done.promise;
    },
  });
  return { clock, log, begun, running, tags };
}

describe('tags that were told of', () => {
  it('are looked after once however often they were told, and once more if they were told meanwhile', async () => {
    const { begun, running, tags } = held();
    await using _ = tags;
    tags.add(one, v1);
    for (let times = 0; times < 50; times += 1) tags.add(one, v1);
    await turns();
    assert.deepEqual(begun, ['one.example/app:v1']);
    running[0]?.resolve();
    await turns();
    assert.equal(begun.length, 2);
    running[1]?.resolve();
    await turns();
    assert.equal(begun.length, 2);
  });

  it('are so many of a registry at a time, which takes no turn of another', async () => {
    const { begun, running, tags } = held();
    await using _ = tags;
    for (let at = 0; at < 20; at += 1) tags.add(one, parseTag(`v${at}`));
    tags.add(two, v1);
    await turns();
    assert.deepEqual(begun, ['one.example/app:v0', 'one.example/app:v1', 'two.example/app:v1']);
    running[0]?.resolve();
    await turns();
    assert.equal(begun.at(-1), 'one.example/app:v2');
    for (let at = 0; at < running.length; at += 1) {
      running[at]?.resolve();
      await turns();
    }
    assert.equal(begun.length, 21);
  });

  it('are not taken where too many wait, and are taken again when there is room', async () => {
    const { running, tags } = held({ width: 1 });
    await using _ = tags;
    for (let at = 0; at <= 1000; at += 1) assert.equal(tags.add(one, parseTag(`v${at}`)), true);
    assert.equal(tags.add(one, parseTag('more')), false);
    assert.equal(tags.add(one, parseTag('v7')), true);
    running[0]?.resolve();
    await turns();
    assert.equal(tags.add(one, parseTag('more')), true);
    running[1]?.resolve();
  });

  it('are tried again after pauses that grow, five times in all', async () => {
    const [clock, log] = [new FakeClock(), new LogLines()];
    let tries = 0;
    const work = async (): Promise<void> => {
      tries += 1;
      throw new Error('not now');
    };
    await using tags = new ToldTags({ width: 1, widthOfOne: 1, what: 'the work', clock, log, work });
    tags.add(one, v1);
    for (const [at, pause] of [2000, 10_000, 50_000, 250_000].entries()) {
      await turns();
      assert.equal(tries, at + 1);
      await clock.advance(pause - 1);
      await turns();
      assert.equal(tries, at + 1);
      await clock.advance(1);
    }
    await turns();
    assert.equal(tries, 5);
    await clock.advance(86_400_000);
    await turns();
    assert.equal(tries, 5);
    assert.equal(log.at('warn').length, 1);
  });

  it('end with the server: what runs is told, and what waits is left', async () => {
    const [clock, log] = [new FakeClock(), new LogLines()];
    const begun: string[] = [];
    {
      await using tags = new ToldTags({
        ...{ width: 1, widthOfOne: 1, what: 'the work', clock, log },
        work: async (name, tag, signal) => {
          begun.push(`${name}:${tag}`);
          await clock.sleep(1_000_000, signal);
        },
      });
      tags.add(one, v1);
      tags.add(two, v1);
      await turns();
    }
    assert.deepEqual([begun, clock.sleeping, log.lines], [['one.example/app:v1'], 0, []]);
  });
});
