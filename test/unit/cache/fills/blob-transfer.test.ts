import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
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
import type { SpoolStore } from '#src/storage/spool-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

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

interface Made {
  readonly body: () => AsyncIterable<Uint8Array>;
  readonly clock?: FakeClock;
  readonly spools?: SpoolStore;
}

/** A transfer of a blob whose size nobody says. */
function transferOf({ body, clock = new FakeClock(), spools = new MemoryBlobStore() }: Made) {
  const followers = new FillFollowers(new Map([[alpine, undefined]]), clock);
  const upstream = {
    getBlob: async () => ({
      digest,
      size: undefined,
      range: undefined,
      body: body(),
      async [Symbol.asyncDispose]() {},
    }),
  };
  const log = new LogLines();
  const settings = { upstream, spools, clock, log, random: () => 0 };
  const size = new SmallSize({ digest, size: undefined });
  const note = { digest, scope: 'docker.io' };
  const tape = new FillTape({ ...settings, note, lowest: ({ end }) => end });
  const parts = { digest, repository: alpine, size, followers, tape, clock, settings };
  const doubt = new DoubtedParts(clock, log).of(hostOf(alpine), digest);
  const source = new BlobSource({ ...parts, upstream, doubt, onQueued() {} });
  const front = new FillFront(digest, tape);
  const transfer = new BlobTransfer({ ...parts, source, front, runs: new FillRuns() });
  return { clock, followers, log, tape, transfer };
}

/** A transfer of a blob without an end; says how many bytes upstream has sent when it has ended. */
async function sentTo(isClient: boolean): Promise<number> {
  let sent = 0;
  const body = async function* () {
    for (;;) {
      sent += chunk.length;
      yield chunk;
    }
  };
  const { clock, followers, tape, transfer } = transferOf({ body });
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

/** Time does not pass, not even a moment. */
class StillClock extends FakeClock {
  override after(): Disposable {
    return { [Symbol.dispose]() {} };
  }
}

describe('a transfer that is ended while a file is opened for it', () => {
  it('says nothing of the disk', async () => {
    const [opening, rest] = [gate(), gate()];
    const spools = new MemoryBlobStore();
    const begin = spools.begin.bind(spools);
    spools.begin = async () => {
      await opening.wait();
      return await begin();
    };
    const body = async function* () {
      yield chunk;
      await rest.wait();
    };
    const { log, tape, transfer } = transferOf({ body, spools, clock: new StillClock() });
    const ended = new Error('a client waits for its place');
    const running = assert.rejects(
      transfer.run(() => {}),
      ended,
    );
    await opening.reached;
    transfer.cancel(ended);
    await running;
    await tape.keep(ended);
    opening.open();
    rest.open();
    for (let turn = 0; turn < 5; turn += 1) await setImmediate();
    await tape[Symbol.asyncDispose]();
    assert.deepEqual(log.at('error'), []);
  });
});
