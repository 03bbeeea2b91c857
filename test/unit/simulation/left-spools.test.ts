import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Disk } from '#test/simulation/disk.ts';
import { wrongSpools } from '#test/simulation/left-spools.ts';
import { Model } from '#test/simulation/model.ts';
import type { FaultPlan } from '#test/simulation/plan.ts';

const size = 30_000;
const spool = `/cache/partial/spool.${'0'.repeat(16)}.${'1'.repeat(16)}`;
const flip = [{ kind: 'flip' }] as unknown as readonly FaultPlan[];

/** A disk with a spool of which bytes are on record, once `spoil` has had its way. */
function wrongOf(spoil: (disk: Disk) => void, faults: readonly FaultPlan[] = []): readonly string[] {
  const [disk, model] = [new Disk(), new Model()];
  const digest = model.newBlob(size);
  disk.create(spool, 0).write(model.content.of(digest), 0);
  const record = JSON.stringify({ digest, scope: 'docker.io', ranges: [[0, size - 1]] });
  disk.create(`${spool}.ranges`, 0).write(Buffer.from(record), 0);
  spoil(disk);
  return wrongSpools(disk, model, faults);
}

describe('what a simulated server leaves', () => {
  it('may be a half-filled blob with a record that is true', () => {
    assert.deepEqual(
      wrongOf(() => {}),
      [],
    );
  });

  it('may be no other bytes than upstream’s, where that sends no wrong ones', () => {
    const spoil = (disk: Disk) => disk.get(spool)?.write(Buffer.alloc(9), 100);
    assert.match(wrongOf(spoil).join(), /not those of/);
    assert.deepEqual(wrongOf(spoil, flip), []);
  });

  it('may be no bytes without a record, no record without bytes, and nothing else', () => {
    assert.match(wrongOf((disk) => disk.remove(`${spool}.ranges`)).join(), /without a record/);
    assert.match(wrongOf((disk) => disk.remove(spool)).join(), /no kept spool/);
    assert.match(wrongOf((disk) => disk.create(`${spool}.ranges.new`, 0)).join(), /no kept spool/);
    assert.match(wrongOf((disk) => disk.get(`${spool}.ranges`)?.write(Buffer.from('x'), 0)).join(), /none/);
  });
});
