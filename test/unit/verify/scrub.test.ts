import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hexOf, sha256, verifyWhole } from '#src/oci/digest.ts';
import type { Digest } from '#src/oci/reference.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { linkBlob, loseBlob, noteScrub } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { CheckTally } from '#src/verify/check-tally.ts';
import { Scrub } from '#src/verify/scrub.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ScriptedFiles } from '#test/fakes/scripted-files.ts';

const alpine = repository('docker.io/library/alpine');
const hour = 3_600_000;
const day = 24 * hour;
const passMs = 10 * day;
const count = 120;

async function scrubbing() {
  const files = new ScriptedFiles();
  const content = await FileBlobStore.open({ directory: '/v1', files });
  const clock = new FakeClock();
  const metadata = SqliteMetadataStore.inMemory({ clock });
  const digests: Digest[] = [];
  for (let at = 0; at < count; at += 1) {
    const stored = bytes(1000, at + 1);
    const digest = sha256(stored);
    await content.keep(verifyWhole(digest, stored), stored);
    await metadata.change([linkBlob(alpine, digest, 1000)]);
    digests.push(digest);
  }
  const [log, tally] = [new LogLines(), new CheckTally()];
  const parts = { content, metadata, clock, log, tally, passMs, changed() {} };
  const begin = (): Scrub => new Scrub({ ...parts, totals: async () => await metadata.inventory.totals() });
  const checked = (): number => [...tally.all()].reduce((sum, each) => sum + each.count, 0);
  /** Time passes, in steps that let what waits go on. */
  const pass = async (milliseconds: number): Promise<void> => {
    for (let left = milliseconds; left > 0; left -= hour) {
      await clock.advance(Math.min(left, hour));
      for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { files, digests, log, tally, begin, checked, pass, metadata };
}

describe('the scrub', () => {
  it('spreads one pass over its time, and begins the next when that is over', async () => {
    const { begin, checked, pass } = await scrubbing();
    await using _ = begin();
    await pass(passMs / 2);
    assert.ok(checked() > count * 0.4 && checked() < count * 0.6, `${checked()}`);
    await pass(passMs / 2);
    assert.ok(checked() > count * 0.95 && checked() < count * 1.05, `${checked()}`);
    await pass(passMs / 2);
    assert.ok(checked() > count * 1.4 && checked() < count * 1.6, `${checked()}`);
  });

  it('goes on in the next process where this one was', async () => {
    const { begin, digests, pass, metadata } = await scrubbing();
    {
      await using _ = begin();
      await pass(0.6 * passMs);
    }
    assert.equal((await metadata.getScrub())?.after, digests[49]);
    await using _ = begin();
    await pass(0.45 * passMs);
    assert.equal((await metadata.getScrub())?.after, digests[99]);
  });

  it('finds what has rotted, says so, and has it fetched again', async () => {
    const { files, digests, begin, pass, log, tally, metadata } = await scrubbing();
    const [digest] = digests;
    assert.ok(digest);
    files.rot(`/v1/blobs/sha256/${hexOf(digest)}`, (old) => Buffer.from(old.map((byte) => byte ^ 1)));
    await using _ = begin();
    await pass(passMs);
    const wrong = [...tally.all()].find(({ verdict }) => verdict === 'wrong');
    assert.deepEqual(wrong, { by: 'scrub', verdict: 'wrong', count: 1 });
    assert.equal(await metadata.hasBlob(alpine, digest), false);
    const [line = ''] = log.at('error');
    for (const named of [digest, alpine, '/v1/quarantine/']) assert.ok(line.includes(named), line);
  });

  it('looks no more than once in a pass where there is nothing', async () => {
    const { begin, pass, metadata, digests } = await scrubbing();
    await metadata.change(digests.map((digest) => loseBlob(digest)));
    let looks = 0;
    const { listStored } = metadata;
    metadata.listStored = async (options) => {
      if (options.after === undefined) looks += 1;
      return await listStored.call(metadata, options);
    };
    await using _ = begin();
    await pass(passMs / 2);
    assert.equal(looks, 1);
    await pass(passMs);
    assert.equal(looks, 2);
  });

  it('begins anew where a clock has noted its beginning that was ahead of today’s by more than a pass', async () => {
    const { begin, checked, pass, metadata } = await scrubbing();
    await metadata.change([noteScrub({ after: undefined, begunAt: Date.now() + 1000 * passMs })]);
    await using _ = begin();
    await pass(passMs / 2);
    assert.ok(checked() > count * 0.4, `${checked()}`);
  });

  it('does not stop for what the index cannot do for a while', async () => {
    const { begin, pass, checked, metadata, log } = await scrubbing();
    const { listStored } = metadata;
    let fails = true;
    metadata.listStored = async (options) => {
      if (fails) throw new Error('it is locked');
      return await listStored.call(metadata, options);
    };
    await using _ = begin();
    await pass(day);
    assert.ok(log.at('error').length > 0);
    fails = false;
    await pass(passMs);
    assert.ok(checked() > count * 0.9, `${checked()}`);
  });
});
