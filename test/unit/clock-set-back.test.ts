import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { NegativeCache } from '#src/cache/memory/negative-cache.ts';
import { RegistryError } from '#src/oci/error.ts';
import { NoAnswer } from '#src/oci/no-answer.ts';
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
    await using cache = new CacheUnderTest({ policy: { freshness: freshnessPolicy([], 'always') } });
    const alpine = repository('docker.io/library/alpine');
    putImage(cache.content, alpine, 'a', []);
    await cache.registry.getManifest(alpine, parseTag('a'));
    cache.upstream.script = () => {
      throw new RegistryError('UNAVAILABLE');
    };
    for (let time = 0; time < 2; time += 1) await cache.registry.getManifest(alpine, parseTag('a'));
    assert.equal(cache.upstream.calls.length, 2);
    cache.clock.set(cache.clock.now() - hour);
    await cache.clock.advance(2000);
    await cache.registry.getManifest(alpine, parseTag('a'));
    assert.equal(cache.upstream.calls.length, 3);
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
    const request = { method: 'GET', url: new URL('https://registry.example.com/v2/') } as const;
    const wire = new ScriptedTransport(() => {
      if (isDown) throw new NoAnswer(request.url, 'host', 'no answer', { status: 504 });
      return { status: 200 };
    });
    const transport = new CircuitTransport(wire, { clock, onOddity() {} });
    for (let time = 0; time < 2; time += 1) await assert.rejects(transport.send(request), { status: 504 });
    assert.equal(wire.requests.length, 1);
    isDown = false;
    clock.set(clock.now() - hour);
    await clock.advance(2000);
    assert.equal((await transport.send(request)).status, 200);
  });
});
