import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Completer } from '#src/cache/completion/completer.ts';
import { sweepIncomplete } from '#src/cache/completion/completion-sweep.ts';
import { sha256 } from '#src/oci/digest.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const alpine = repository('docker.io/library/alpine');

/** Blobs that upstream has no more: each of so many is wanted again and again. */
function wanted(count: number) {
  const all = Array.from({ length: count }, (_, at) => ({
    repository: alpine,
    digest: sha256(Buffer.from(String(at))),
    size: 1,
    since: count - at,
  }));
  return {
    all,
    listWantedBlobs: async ({ after, limit }: { after?: object | undefined; limit: number }) => {
      const from = all.findIndex((each) => Object.is(each, after)) + 1;
      return all.slice(from, from + limit);
    },
  };
}

describe('what is wanted by the index', () => {
  it('is all looked at in one pass, however much it is', async () => {
    const clock = new FakeClock();
    const log = new LogLines();
    const metadata = wanted(5000);
    const looked = new Set<unknown>();
    await using completer = new Completer({
      work: async ({ reference }) => {
        looked.add(reference);
        return [];
      },
      isBusy: () => false,
      clock,
      log,
    });
    const stop = new AbortController();
    const sweeping = sweepIncomplete({ metadata, completer, clock, log }, stop.signal);
    for (let passed = 0; passed < 120_000; passed += 20) await clock.advance(20);
    assert.equal(looked.size, metadata.all.length);
    stop.abort();
    await sweeping;
  });
});
