import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NegativeCache } from '#src/cache/memory/negative-cache.ts';
import { RestingTags } from '#src/cache/memory/resting-tags.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag } from '#src/oci/reference.ts';
import { CircuitTransport } from '#src/upstream/limits/circuit.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { putImage } from '#test/fakes/images.ts';
import { ScriptedTransport } from '#test/fakes/scripted-transport.ts';

const hour = 3_600_000;

describe('a clock that is set back an hour', () => {
  it('makes no 404 last longer', async () => {
    const clock = new FakeClock();
    const absent = new NegativeCache(clock);
    absent.note('a', new RegistryError('BLOB_UNKNOWN'), 10_000);
    clock.set(clock.now() - hour);
    assert.throws(() => absent.check('a'), { status: 404 });
    await clock.advance(10_000);
    absent.check('a');
  });

  it('makes no tag rest longer', async () => {
    const clock = new FakeClock();
    const resting = new RestingTags(clock);
    resting.add('a', 'upstream timed out');
    clock.set(clock.now() - hour);
    await clock.advance(2000);
    assert.equal(resting.causeOf('a'), undefined);
  });

  it('makes no list last longer', async () => {
    await using cache = new CacheUnderTest();
    const alpine = repository('docker.io/library/alpine');
    putImage(cache.content, alpine, 'a', []);
    await cache.registry.listTags(alpine);
    await cache.settle();
    cache.clock.set(cache.clock.now() - hour);
    putImage(cache.content, alpine, 'b', []);
    await cache.clock.advance(10_000);
    assert.deepEqual((await cache.registry.listTags(alpine)).tags, [parseTag('a'), parseTag('b')]);
  });

  it('makes no circuit stay open longer', async () => {
    const clock = new FakeClock();
    let isDown = true;
    const wire = new ScriptedTransport(() => {
      if (isDown) throw new RegistryError('UNAVAILABLE', 'no answer', { status: 504 });
      return { status: 200 };
    });
    const transport = new CircuitTransport(wire, { clock, onOddity() {} });
    const request = { method: 'GET', url: new URL('https://registry.example.com/v2/') } as const;
    await assert.rejects(transport.send(request), { status: 504 });
    isDown = false;
    clock.set(clock.now() - hour);
    await clock.advance(2000);
    assert.equal((await transport.send(request)).status, 200);
  });
});
