import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FillBytes } from '#src/cache/fills/fill-bytes.ts';
import type { Follower } from '#src/cache/fills/fill-followers.ts';
import { FillTape } from '#src/cache/fills/fill-tape.ts';
import { sha256 } from '#src/oci/digest.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect } from '#test/fakes/images.ts';

const kibibyte = 1024;
const come = Buffer.from(bytes(200 * kibibyte));
const note = { digest: sha256(come), scope: 'docker.io' };

describe('the bytes of a blob that is not verified', () => {
  for (const known of [400 * kibibyte, 230 * kibibyte])
    it(`never complete a whole answer of another size than upstream says by now: ${known}`, async () => {
      const spools = new MemoryBlobStore();
      const clock = new FakeClock();
      const tape = new FillTape({ spools, note, clock, lowest: ({ end }) => end });
      // As many as a manifest claims, though there are more.
      await tape.append(tape.begin(0), come, {}, false, new AbortController().signal, async () => {});
      const bytesOf = new FillBytes({
        end: { isVerified: false, failed: false, failure: undefined },
        tape,
        transfer: { isRefuted: false, refutation: undefined },
        ahead: { want: () => assert.fail('it waits for more') },
        size: { known },
        followers: { has: () => true },
      });
      for (const until of [come.length, Number.POSITIVE_INFINITY]) {
        const alpine = repository('docker.io/library/alpine');
        const follower: Follower = { repository: alpine, isClient: true, at: 0, until, wake() {} };
        await assert.rejects(collect(bytesOf.follow(follower, come.length)), /has not the 204800 bytes/);
      }
    });
});
