import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DoubtedParts } from '#src/cache/fills/doubted-parts.ts';
import { sha256 } from '#src/oci/digest.ts';
import { parseRegistryHost } from '#src/oci/reference.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const host = parseRegistryHost('docker.io');
const hour = 3_600_000;

function doubts() {
  const clock = new FakeClock();
  const log = new LogLines();
  const all = new DoubtedParts(clock, log);
  const of = (name: string, at = host) => all.of(at, sha256(Buffer.from(name)));
  /** One that was wrong by parts, and right without. */
  const rightOnlyWhole = (name: string, isLeft = false): void => {
    of(name).wrong(isLeft);
    of(name).right(false);
  };
  return { clock, log, of, rightOnlyWhole };
}

describe('parts of a registry', () => {
  it('are doubted of the blob that was wrong by them, for an hour, and of no other', async () => {
    const { clock, of } = doubts();
    of('one').wrong(false);
    assert.equal(of('one').isDoubted, true);
    assert.equal(of('other').isDoubted, false);
    assert.equal(of('one', parseRegistryHost('ghcr.io')).isDoubted, false);
    await clock.advance(hour);
    assert.equal(of('one').isDoubted, false);
  });

  it('are doubted of all when three blobs were right only whole, for an hour', async () => {
    const { clock, log, of, rightOnlyWhole } = doubts();
    for (const name of ['one', 'two']) rightOnlyWhole(name);
    assert.equal(of('other').isDoubted, false);
    assert.deepEqual(log.lines, []);
    rightOnlyWhole('three');
    assert.match(log.at('warn').join('\n'), /wrong parts.*docker\.io/s);
    assert.equal(of('other').isDoubted, true);
    assert.equal(of('other', parseRegistryHost('ghcr.io')).isDoubted, false);
    await clock.advance(hour);
    assert.equal(of('other').isDoubted, false);
  });

  it('are not doubted of all for one blob that is fetched again and again', () => {
    const { of, rightOnlyWhole } = doubts();
    rightOnlyWhole('one');
    for (let again = 0; again < 5; again += 1) of('one').right(false);
    assert.equal(of('other').isDoubted, false);
  });

  it('are not doubted of all where some were right meanwhile', () => {
    const { of, rightOnlyWhole } = doubts();
    for (const name of ['one', 'two']) rightOnlyWhole(name);
    of('right').right(true);
    for (const name of ['three', 'four']) rightOnlyWhole(name);
    assert.equal(of('other').isDoubted, false);
  });

  it('are not doubted of all for blobs of which a mirror gave bytes that was left then', () => {
    const { of, rightOnlyWhole } = doubts();
    for (const name of ['one', 'two', 'three']) rightOnlyWhole(name, true);
    assert.equal(of('one').isDoubted, true);
    assert.equal(of('other').isDoubted, false);
  });
});
