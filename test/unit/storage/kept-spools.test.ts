import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDigest } from '#src/oci/reference.ts';
import { FileTooLargeError, StoreFullError } from '#src/storage/content-store.ts';
import { type KeptSpool, KeptSpools } from '#src/storage/kept-spools.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const digest = parseDigest(`sha256:${'a'.repeat(64)}`);
const gibibyte = 1024 ** 3;
const hour = 3_600_000;

function keptUnderTest(maxBytes?: number) {
  const clock = new FakeClock();
  const kept = new KeptSpools(clock, undefined, maxBytes);
  const gone: string[] = [];
  const of = (scope: string, bytes = gibibyte): KeptSpool => ({
    note: { digest, scope, size: undefined },
    bytes,
    discard: async () => void gone.push(scope),
  });
  return { clock, kept, gone, of };
}

describe('what is kept', () => {
  it('is 64 GiB at most: what was kept longest ago goes first', async () => {
    const { kept, gone, of, clock } = keptUnderTest();
    for (const scope of ['one', 'two', 'three']) {
      await kept.add(of(scope, 30 * gibibyte));
      await clock.advance(1);
    }
    assert.deepEqual(gone, ['one']);
    await kept.add(of('huge', 65 * gibibyte));
    assert.deepEqual(gone.toSorted(), ['huge', 'one', 'three', 'two']);
    assert.ok(kept.isEmpty);
  });

  it('is less where less is allowed, and never more', async () => {
    for (const [allowed, kept] of [
      [10, 10],
      [100, 64],
    ] as const) {
      const { kept: all, gone, of } = keptUnderTest(allowed * gibibyte);
      await all.add(of('fits', kept * gibibyte));
      assert.deepEqual(gone, []);
      await all.add(of('more', 1));
      assert.deepEqual(gone, ['fits']);
    }
  });

  it('goes by how long ago it was kept, not by when this process found it', async () => {
    const { kept, gone, of } = keptUnderTest();
    await kept.add(of('young', 40 * gibibyte));
    await kept.add(of('found', 40 * gibibyte), hour);
    assert.deepEqual(gone, ['found']);
  });

  it('is gone after 24 hours, whatever somebody sets the clock to', async () => {
    const { clock, kept, gone, of } = keptUnderTest();
    await kept.add(of('one'));
    await kept.add(of('found'), 23 * hour);
    clock.set(0);
    await clock.advance(hour - 1);
    await kept.removeOld();
    assert.deepEqual(gone, []);
    await clock.advance(1);
    await kept.removeOld();
    assert.deepEqual(gone, ['found']);
    await clock.advance(23 * hour);
    assert.equal(await kept.take({ digest, scope: 'one' }), undefined);
    await kept.removeOld();
    assert.deepEqual(gone, ['found', 'one']);
  });

  it('is not given up for a larger one that is too old', async () => {
    const { clock, kept, gone, of } = keptUnderTest();
    await kept.add(of('one', 2 * gibibyte));
    await clock.advance(24 * hour);
    await kept.add(of('one', gibibyte));
    assert.deepEqual(gone, ['one']);
    assert.equal((await kept.take({ digest, scope: 'one' }))?.bytes, gibibyte);
  });

  it('is not even taken up when it is that old already', async () => {
    const { kept, gone, of } = keptUnderTest();
    await kept.add(of('old'), 24 * hour);
    assert.deepEqual(gone, ['old']);
  });

  it('makes room, one after the other as long as there is none', async () => {
    const { kept, gone, of, clock } = keptUnderTest();
    for (const scope of ['one', 'two', 'three']) {
      await kept.add(of(scope));
      await clock.advance(1);
    }
    const result = await kept.withRoom(async () => {
      if (gone.length < 2) throw new StoreFullError('full');
      return 'written';
    });
    assert.equal(result, 'written');
    assert.deepEqual(gone, ['one', 'two']);
  });

  it('makes room once for many who lack it at once', async () => {
    const { kept, gone, of } = keptUnderTest();
    for (const scope of ['one', 'two', 'three']) await kept.add(of(scope));
    const write = async () => {
      if (gone.length < 1) throw new StoreFullError('full');
    };
    await Promise.all(Array.from({ length: 10 }, async () => await kept.withRoom(write)));
    assert.deepEqual(gone, ['one']);
  });

  it('stays where the failure is another, and the failure stays when nothing is kept', async () => {
    const { kept, gone, of } = keptUnderTest();
    await kept.add(of('one'));
    const fail = (error: Error) => async () => await Promise.reject(error);
    await assert.rejects(kept.withRoom(fail(new Error('EIO'))), /EIO/);
    await assert.rejects(kept.withRoom(fail(new FileTooLargeError('too large'))), StoreFullError);
    assert.deepEqual(gone, []);
    await assert.rejects(kept.withRoom(fail(new StoreFullError('full'))), StoreFullError);
    assert.deepEqual(gone, ['one']);
  });
});
