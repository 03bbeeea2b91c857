import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Completer } from '#src/cache/completer.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { hostOf, type RepositoryName } from '#src/oci/reference.ts';
import type { Descriptor } from '#src/oci/registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const limited = repository('docker.io/library/alpine');
const open = repository('quay.io/prometheus/node');
/** So many blobs wait at most. */
const most = 100_000;

function blob(seed: number): Descriptor {
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: sha256(bytes(10, seed)),
    size: 10,
  };
}

function jobs(repository: RepositoryName, count: number) {
  return Array.from({ length: count }, () => ({ repository, blob: blob(1) }));
}

/** One whose first registry refuses us for a day, so that what waits for it stays. */
function completerUnderTest() {
  const clock = new FakeClock();
  const fetched: string[] = [];
  const state = { fetch: async () => {} };
  const completer = new Completer({
    fetch: async (_, { digest }) => {
      fetched.push(digest);
      await state.fetch();
    },
    isBusy: () => false,
    clock,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  const refusal = new RegistryError('TOOMANYREQUESTS', undefined, { headers: { 'Retry-After': '86400' } });
  completer.noteFailure(hostOf(limited), refusal);
  const pass = async (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += 250) await clock.advance(250);
  };
  return { completer, fetched, state, pass };
}

describe('the queue of what completes images', () => {
  it('takes nothing more when it is full, though one that failed came back', async () => {
    const { completer, fetched, state, pass } = completerUnderTest();
    await using _ = completer;
    const failing = gate();
    state.fetch = async () => {
      await failing.wait();
      throw new RegistryError('UNAVAILABLE');
    };
    completer.resume([{ repository: open, blob: blob(2) }]);
    await pass(1250);
    completer.resume(jobs(limited, most));
    failing.open();
    await pass(250);
    completer.resume([3, 4].map((seed) => ({ repository: open, blob: blob(seed) })));
    await pass(2000);
    assert.deepEqual(fetched, [blob(2).digest]);
  });

  it('wants an image again that it had no room for, and has taken nothing of it', async () => {
    const { completer, fetched, pass } = completerUnderTest();
    await using _ = completer;
    completer.resume(jobs(limited, most - 1));
    completer.add('image', open, [blob(2), blob(3)]);
    await pass(2000);
    assert.deepEqual(fetched, []);
    assert.equal(completer.wants('image'), true);
    completer.add('smaller', open, [blob(2)]);
    assert.equal(completer.wants('smaller'), false);
    await pass(2000);
    assert.deepEqual(fetched, [blob(2).digest]);
  });
});
