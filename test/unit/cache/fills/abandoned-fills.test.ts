import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { AbandonedFills } from '#src/cache/fills/abandoned-fills.ts';
import type { Fill } from '#src/cache/fills/fill.ts';
import { unlimitedRoom } from '#src/storage/store-room.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const GiB = 2 ** 30;

/** A transfer that nobody waits for, as far as it is looked at. Bytes. */
function fillOf(host: string, expected: number, received: number, isBelieved: boolean) {
  const fill = {
    repository: repository(`${host}/a/b`),
    progress: { received, expected, limit: expected },
    ...{ isBelieved, isAbandoned: true, isWaitedFor: false, isQueued: false, maxAbandoned: 16 },
    isCancelled: false,
    cancel: () => {
      fill.isCancelled = true;
      fill.isAbandoned = false;
    },
  };
  return fill;
}

/** Which of them go on when they are all judged. */
function left(all: readonly ReturnType<typeof fillOf>[]): number[] {
  const fills = all as unknown as readonly Fill[];
  const abandoned = new AbandonedFills(new Set(fills), new FakeClock(), new LogLines());
  for (const fill of fills) abandoned.judge(fill);
  return [...all.keys()].filter((at) => all[at]?.isCancelled === false);
}

describe('the bytes that are still to come of transfers that nobody waits for', () => {
  it('count as a registry announces them that is configured', () => {
    const fills = ['a.example', 'b.example', 'c.example'].map((host) => fillOf(host, 31 * GiB, 1, true));
    assert.deepEqual(left(fills), [0, 1]);
  });

  it('count by what has come where nobody vouches for the registry, four times', () => {
    const hosts = ['a.example', 'b.example', 'c.example', 'd.example'];
    assert.deepEqual(left(hosts.map((host) => fillOf(host, 31 * GiB, GiB, false))), [0, 1, 2, 3]);
    // 24 GiB each.
    assert.deepEqual(left(hosts.map((host) => fillOf(host, 31 * GiB, 6 * GiB, false))), [0, 1]);
  });

  it('count as they are announced against the registry itself', () => {
    const fills = [1, 2].map(() => fillOf('a.example', 18 * GiB, GiB, false));
    assert.deepEqual(left(fills), [0]);
    assert.deepEqual(left([fillOf('a.example', 34 * GiB, GiB, false)]), []);
  });

  it('are counted again as they come', async () => {
    const judged = mock.method(AbandonedFills.prototype, 'judge');
    using restoring = new DisposableStack();
    restoring.defer(() => judged.mock.restore());
    const times: number[] = [];
    for (const isBelieved of [true, false]) {
      judged.mock.resetCalls();
      await using cache = new CacheUnderTest({
        room: {
          believes: () => isBelieved,
          admits: () => true,
          reserve: async (...asked) => {
            const given = await unlimitedRoom.reserve(...asked);
            return given && { ...given, bytes: 0 };
          },
        },
      });
      const name = repository('evil.example/a/b');
      const { digest } = cache.content.putBlob(name, bytes(1_000_000));
      await using reader = await cache.registry.getBlob(name, digest);
      await collect(reader.body);
      await cache.settle();
      times.push(judged.mock.callCount());
    }
    const [known = 0, unknown = 0] = times;
    assert.ok(unknown > known, `${times}`);
  });
});
