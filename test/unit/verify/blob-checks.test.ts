import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TaskSet } from '#src/base/task-set.ts';
import { hexOf, sha256, verifyWhole } from '#src/oci/digest.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { BlobChecks, type Doubted } from '#src/verify/blob-checks.ts';
import { heldBack } from '#src/verify/held-back.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ScriptedFiles } from '#test/fakes/scripted-files.ts';

const alpine = repository('docker.io/library/alpine');

async function checking(count: number) {
  const files = new ScriptedFiles();
  const content = await FileBlobStore.open({ directory: '/v1', files });
  const clock = new FakeClock();
  const tasks = new TaskSet(new LogLines());
  const found: string[] = [];
  const checks = new BlobChecks({
    ...{ content, clock, tasks },
    right: async ({ digest }) => void found.push(`right ${digest}`),
    wrong: async ({ blob }) => void found.push(`wrong ${blob.digest}`),
  });
  const doubted: Doubted[] = [];
  for (let at = 0; at < count; at += 1) {
    const stored = bytes(200_000, at + 1);
    await content.keep(verifyWhole(sha256(stored), stored), stored);
    const blob = await content.stat(sha256(stored));
    assert.ok(blob);
    doubted.push({ blob, repository: alpine, since: 0 });
  }
  /** Files that are read for their hash alone, each until it is let go. */
  const gates = new Map<string, PromiseWithResolvers<void>>();
  files.script = async (call) => {
    if (!call.startsWith('open /v1/blobs')) return;
    const gate = Promise.withResolvers<void>();
    gates.set(call, gate);
    await gate.promise;
  };
  return { files, content, checks, tasks, found, doubted, gates };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('files that are read for their hash alone', () => {
  it('are two at a time, and none that nobody waits for any more', async () => {
    const { checks, doubted, gates, found, tasks } = await checking(6);
    const gone = new AbortController();
    const waiting = doubted.map(
      async (each, at) => await checks.whole(each, false, at === 5 ? undefined : gone.signal),
    );
    await settle();
    assert.equal(gates.size, 2);
    gone.abort(new Error('they have left'));
    const left = await Promise.allSettled(waiting.slice(0, 5));
    assert.ok(left.every(({ status }) => status === 'rejected'));
    for (const gate of gates.values()) gate.resolve();
    await settle();
    // What had begun goes on; of the rest only what somebody waits for begins.
    assert.equal(gates.size, 3);
    for (const gate of gates.values()) gate.resolve();
    assert.equal(await waiting[5], true);
    await tasks[Symbol.asyncDispose]();
    assert.equal(found.length, 3);
  });

  it('are hashed for whoever comes at the moment at which the last one leaves that waited for its turn', async () => {
    for (let turns = 0; turns < 12; turns += 1) {
      const { checks, doubted, gates, tasks } = await checking(3);
      const [first, second, third] = doubted;
      assert.ok(first && second && third);
      const running = [first, second].map(async (each) => await checks.whole(each, false, undefined));
      await settle();
      const gone = new AbortController();
      const left = assert.rejects(checks.whole(third, false, gone.signal), /he has left/);
      await settle();
      gone.abort(new Error('he has left'));
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      const came = checks.whole(third, false, undefined);
      came.catch(() => {});
      await left;
      for (let round = 0; round < 2; round += 1) {
        for (const gate of gates.values()) gate.resolve();
        await settle();
      }
      assert.equal(await came, true, `${turns}`);
      await Promise.all(running);
      await tasks[Symbol.asyncDispose]();
    }
  });

  it('end with the process: who waits is told so, and nothing more begins', async () => {
    const { checks, doubted, gates, tasks } = await checking(4);
    const waiting = doubted.map(async (each) => await checks.whole(each, false, undefined));
    const ended = Promise.allSettled(waiting);
    await settle();
    checks[Symbol.dispose]();
    for (const gate of gates.values()) gate.resolve();
    for (const outcome of await ended) {
      assert.equal(outcome.status, 'rejected');
      assert.match(String(outcome.reason), /stopping/);
    }
    await tasks[Symbol.asyncDispose]();
    assert.equal(gates.size, 2);
  });

  it('are begun again for whoever asks later, where they could not be read', async () => {
    const { checks, doubted, files } = await checking(1);
    const [one] = doubted;
    assert.ok(one);
    files.script = (call) => {
      if (call.startsWith('open')) throw new Error('no file is left');
    };
    await assert.rejects(checks.whole(one, false, undefined), /no file is left/);
    files.script = () => undefined;
    assert.equal(await checks.whole(one, false, undefined), true);
  });

  it('are none where another has its place by now', async () => {
    const { checks, doubted, files, found } = await checking(1);
    const [one] = doubted;
    assert.ok(one);
    files.script = () => undefined;
    files.touch(`/v1/blobs/sha256/${hexOf(one.blob.digest)}`);
    assert.equal(await checks.whole(one, false, undefined), false);
    assert.deepEqual(found, []);
  });
});

describe('a check that several share', () => {
  it('hashes each byte once, by whoever comes first with it', async () => {
    const { checks, doubted, content, files, found } = await checking(1);
    const [one] = doubted;
    assert.ok(one);
    files.script = () => undefined;
    using first = checks.join(one, false);
    using second = checks.join(one, false);
    assert.equal(first.check, second.check);
    await using blob = await content.open(one.blob.digest);
    assert.ok(blob);
    const body = heldBack(blob.read(), first.check);
    await body.next();
    const { front } = second.check;
    assert.ok(front > 0);
    const whole = await collect(heldBack(blob.read(), second.check));
    assert.equal(sha256(whole), one.blob.digest);
    assert.ok(first.check.isRight);
    assert.deepEqual(found, [`right ${one.blob.digest}`]);
    await body.return(undefined);
  });

  it('hashes it once also where their chunks end at different bytes', async () => {
    const { checks, doubted, found } = await checking(1);
    const [one] = doubted;
    assert.ok(one);
    const stored = Buffer.from(bytes(200_000, 1));
    using hold = checks.join(one, false);
    const ends = [70_000, 60_000, 100_000, 99_999, 150_000, 200_000];
    for (const end of ends)
      hold.check.pass(Math.max(0, end - 70_000), stored.subarray(Math.max(0, end - 70_000), end));
    assert.deepEqual(found, [`right ${one.blob.digest}`]);
  });

  it('of chunks of any size gives all bytes in their order, and the last ones when all were right', async () => {
    const { checks, doubted } = await checking(1);
    const [one] = doubted;
    assert.ok(one);
    const stored = Buffer.from(bytes(200_000, 1));
    for (const length of [1000, 32_768, 65_536, 65_537, 134_463, 134_464, 134_465, 199_999, 200_000]) {
      using hold = checks.join(one, true);
      const reused = Buffer.alloc(length);
      const given: Buffer[] = [];
      let passed = 0;
      for await (const chunk of heldBack(chunksOf(stored, reused), hold.check)) {
        passed += chunk.length;
        assert.ok(hold.check.isRight || passed <= stored.length - 65_536, `${length}`);
        given.push(Buffer.from(chunk));
      }
      assert.ok(Buffer.concat(given).equals(stored), `${length}`);
    }
  });
});

/** Each in the buffer of the one before. */
async function* chunksOf(all: Buffer, reused: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < all.length; at += reused.length) {
    const length = all.copy(reused, 0, at);
    yield reused.subarray(0, length);
  }
}
