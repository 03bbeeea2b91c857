import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDigest } from '#src/oci/reference.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import type { Spool } from '#src/storage/spool-store.ts';
import { bytes } from '#test/fakes/images.ts';
import { Disk } from '#test/simulation/disk.ts';
import { clockOf, Life } from '#test/simulation/life.ts';
import { Random } from '#test/simulation/random.ts';
import { Scheduler } from '#test/simulation/scheduler.ts';
import { SimulatedFiles } from '#test/simulation/simulated-files.ts';
import { SimulatedOwners } from '#test/simulation/simulated-owners.ts';
import { Trace } from '#test/simulation/trace.ts';

const mebibyte = 1024 * 1024;
const size = 6 * mebibyte;
const content = Buffer.from(bytes(size, 5));
const note = { digest: parseDigest(`sha256:${'5'.repeat(64)}`), scope: 'docker.io', size };
/** Written at a time; no end of it is one of a mebibyte. */
const piece = 300_000;

/** Lives of a store on one disk, each of which goes on with what the one before left, until it is killed or the power is cut. */
class Lives {
  /** What a life has found, and of how much more it was told that it is kept. */
  found = 0;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #disk = new Disk();
  readonly #owners = new SimulatedOwners();
  readonly #ignoresSync: boolean;
  #kept = 0;

  constructor(seed: number, ignoresSync = false) {
    this.#random = new Random(seed);
    this.#scheduler = new Scheduler(this.#random.fork('scheduler'), new Trace());
    this.#ignoresSync = ignoresSync;
  }

  async live(): Promise<void> {
    const life = new Life(this.#scheduler);
    const end = this.#random.pick([5, 200, 5000, 30_000, 60_000]) * this.#random.next();
    let isOver = false;
    let failed: Promise<never> | undefined;
    this.#run(life).catch((error: unknown) => {
      failed = Promise.reject(error);
      failed.catch(() => undefined);
    });
    this.#scheduler.after(end, undefined, () => {
      isOver = true;
    });
    await this.#scheduler.run(() => isOver);
    life.crash();
    if (this.#random.chance(0.6)) this.#disk.cutPower(this.#random);
    await failed;
  }

  async #run(life: Life): Promise<void> {
    const files = new SimulatedFiles({
      disk: this.#disk,
      life,
      random: this.#random.fork(`files ${life.time}`),
      pace: { callMs: 1, syncMs: this.#random.pick([20, 1000]), threads: 4, ignoresSync: this.#ignoresSync },
      isFull: () => false,
      onOpen() {},
      onRemove() {},
    });
    const clock = clockOf(life);
    const owners = this.#owners.of(life);
    const store = await FileBlobStore.open({ directory: '/cache', files, clock, owners: () => owners });
    const reopened = await store.reopen(note);
    if (reopened !== undefined) await this.#check(reopened);
    assert.ok((reopened?.ranges.total ?? 0) >= this.#kept, 'what was kept is there');
    this.#kept = 0;
    const spool = reopened ?? (await store.begin());
    spool.mark(note);
    await this.#write(spool, life);
    await spool.keep();
    if (spool.ranges.total >= mebibyte) this.#kept = spool.ranges.total;
    await spool[Symbol.asyncDispose]();
  }

  async #check(spool: Spool): Promise<void> {
    this.found += 1;
    for (const { first, last } of spool.ranges) {
      let at = first;
      for await (const chunk of spool.read({ first, last })) {
        assert.ok(content.subarray(at, at + chunk.length).equals(chunk), `bytes ${at} and on are right`);
        at += chunk.length;
      }
      assert.equal(at, last + 1);
    }
  }

  /** Pieces that are not there, in any order, three at a time. */
  async #write(spool: Spool, life: Life): Promise<void> {
    const offsets = Array.from({ length: Math.ceil(size / piece) }, (_, at) => at * piece);
    const missing = offsets.filter((at) => spool.ranges.endFrom(at) < Math.min(at + piece, size));
    const waiting = this.#random.shuffled(missing).slice(0, this.#random.between(1, missing.length + 1));
    const queue = waiting[Symbol.iterator]();
    const writer = async () => {
      for (const at of queue) {
        const from = spool.ranges.endFrom(at);
        const end = Math.min(at + piece, size, spool.ranges.nextFrom(from));
        await spool.write(from, content.subarray(from, end));
        await life.pause(this.#random.pick([0, 5, 2000, 8000]), undefined);
      }
    };
    await Promise.all([writer(), writer(), writer()]);
  }
}

/** What was found in so many lives by this seed. */
async function afterLives(seed: number, ignoresSync?: boolean): Promise<number> {
  const lives = new Lives(seed, ignoresSync);
  for (let life = 0; life < 8; life += 1) await lives.live();
  return lives.found;
}

describe('a half-filled blob on a simulated disk', () => {
  it('is right wherever the process or the power ended, and whole where it was kept', async () => {
    let found = 0;
    for (let seed = 0; seed < 15; seed += 1) found += await afterLives(seed);
    assert.ok(found > 30, `${found}`);
  });

  it('would be found wrong on a disk that does not sync', async () => {
    const all = async () => {
      for (let seed = 0; seed < 15; seed += 1) await afterLives(seed, true);
    };
    await assert.rejects(all(), /what was kept is there/);
  });
});
