import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BlobSource } from '#src/cache/fills/blob-source.ts';
import { BlobTransfer } from '#src/cache/fills/blob-transfer.ts';
import { DoubtedParts } from '#src/cache/fills/doubted-parts.ts';
import { FillFollowers } from '#src/cache/fills/fill-followers.ts';
import { FillFront } from '#src/cache/fills/fill-front.ts';
import { FillRuns } from '#src/cache/fills/fill-runs.ts';
import { FillSize } from '#src/cache/fills/fill-size.ts';
import { FillTape } from '#src/cache/fills/fill-tape.ts';
import { sha256 } from '#src/oci/digest.ts';
import { hostOf } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const alpine = repository('docker.io/library/alpine');
const digest = sha256(Buffer.from('whatever'));
const chunk = new Uint8Array(10_000);

/** As for a blob whose size nobody says, with bounds that are soon reached. */
class SmallSize extends FillSize {
  override get limit(): number {
    return 500_000;
  }

  override get limitAlone(): number {
    return 100_000;
  }
}

/** A transfer of a blob without an end; says how many bytes upstream has sent when it has ended. */
async function sentTo(isClient: boolean): Promise<number> {
  const clock = new FakeClock();
  const followers = new FillFollowers(new Map([[alpine, undefined]]), clock);
  let sent = 0;
  const body = async function* () {
    for (;;) {
      sent += chunk.length;
      yield chunk;
    }
  };
  const upstream = {
    getBlob: async () => ({
      digest,
      size: undefined,
      range: undefined,
      body: body(),
      async [Symbol.asyncDispose]() {},
    }),
  };
  const settings = { upstream, spools: new MemoryBlobStore(), clock, log: new LogLines(), random: () => 0 };
  const size = new SmallSize({ digest, size: undefined });
  const note = { digest, scope: 'docker.io' };
  const tape = new FillTape({ ...settings, note, lowest: ({ end }) => end });
  const parts = { digest, repository: alpine, size, followers, tape, clock, settings };
  const doubt = new DoubtedParts(clock).of(hostOf(alpine), digest);
  const source = new BlobSource({ ...parts, upstream, doubt, onQueued() {} });
  const front = new FillFront(digest, tape);
  const transfer = new BlobTransfer({ ...parts, source, front, runs: new FillRuns() });
  if (isClient) followers.join(alpine, 0, true);
  await assert.rejects(transfer.run(() => {}));
  await tape[Symbol.asyncDispose]();
  assert.equal(clock.sleeping, 0);
  return sent;
}

describe('a blob without an end, whose size nobody says,', () => {
  it('is fetched no further than any blob goes', async () => {
    assert.equal(await sentTo(true), 500_000 + chunk.length);
  });

  it('is fetched far less when no client waits for it', async () => {
    assert.equal(await sentTo(false), 100_000 + chunk.length);
  });
});
