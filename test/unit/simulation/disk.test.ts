import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Disk } from '#test/simulation/disk.ts';
import { Random } from '#test/simulation/random.ts';

const bytes = Buffer.from('all of it');

/** What a power cut leaves of a file, by the random numbers of many. */
function left(prepare: (disk: Disk) => void): Set<string | undefined> {
  const outcomes = new Set<string | undefined>();
  for (let seed = 0; seed < 200; seed += 1) {
    const disk = new Disk();
    prepare(disk);
    disk.cutPower(new Random(seed));
    const content = disk.get('/blobs/a');
    outcomes.add(content?.read(0, content.size).toString());
  }
  return outcomes;
}

/** As the store publishes a blob, up to a step. */
function publish(disk: Disk, steps: number): void {
  const file = disk.create('/partial/a', 0);
  file.write(bytes, 0);
  const further = [
    () => file.synced()(),
    () => disk.rename('/partial/a', '/blobs/a'),
    () => disk.syncedDirectory('/blobs')(),
  ];
  for (const step of further.slice(0, steps)) step();
}

describe('the simulated disk', () => {
  it('keeps through a power cut what was synced, name and bytes', () => {
    assert.deepEqual(
      left((disk) => publish(disk, 3)),
      new Set(['all of it']),
    );
  });

  it('may lose a rename whose directory was not synced, and then has none of it', () => {
    assert.deepEqual(
      left((disk) => publish(disk, 2)),
      new Set([undefined, 'all of it']),
    );
  });

  it('may lose bytes that were not synced though their name is there', () => {
    const outcomes = left((disk) => {
      disk.create('/blobs/a', 0).write(bytes, 0);
      disk.syncedDirectory('/blobs')();
    });
    assert.ok(outcomes.has(''));
    assert.ok(outcomes.has('all of it'));
    assert.ok(outcomes.size > 3);
  });

  it('promises nothing for what was written after the sync had begun', () => {
    const outcomes = left((disk) => {
      const file = disk.create('/blobs/a', 0);
      disk.syncedDirectory('/blobs')();
      const synced = file.synced();
      file.write(bytes, 0);
      synced();
    });
    assert.ok(outcomes.has(''));
  });

  it('keeps what was synced anywhere in a file, whatever is written before it or behind it', () => {
    const outcomes = left((disk) => {
      const file = disk.create('/blobs/a', 0);
      disk.syncedDirectory('/blobs')();
      file.write(Buffer.from('MID'), 3);
      file.synced()();
      file.write(Buffer.from('pre'), 0);
      file.write(Buffer.from('end'), 6);
    });
    for (const outcome of outcomes) assert.match(outcome ?? '', /^...MID/s);
    assert.ok(outcomes.has('preMIDend'));
    assert.ok(outcomes.has('\0\0\0MID'));
    assert.ok(outcomes.has('preMID'));
    assert.ok(outcomes.has('\0\0\0MIDend'));
  });

  it('may lose what was written over what was synced', () => {
    const outcomes = left((disk) => {
      const file = disk.create('/blobs/a', 0);
      disk.syncedDirectory('/blobs')();
      file.write(bytes, 0);
      file.synced()();
      file.write(Buffer.from('ALL'), 0);
    });
    assert.ok(outcomes.has('\0\0\0 of it'));
    assert.ok(outcomes.has('ALL of it'));
  });

  it('has zeros, and not what a power cut took, where something is written behind it later', () => {
    const disk = new Disk();
    const file = disk.create('/blobs/a', 0);
    disk.syncedDirectory('/blobs')();
    file.write(bytes, 0);
    for (let seed = 0; file.size > 0; seed += 1) disk.cutPower(new Random(seed));
    file.write(Buffer.from('x'), 2);
    assert.equal(file.read(0, 3).toString(), '\0\0x');
  });
});
