import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Minute, whatGrew } from '../../bench/flatness.ts';

function minutes(of: (at: number) => Partial<Minute>, count = 20): Minute[] {
  const flat = { residentMiB: 180, sockets: 1560, files: 540, busy: 30, delayP99: 12, delayMost: 40 };
  return Array.from({ length: count }, (_, at) => ({ ...flat, ...of(at) }));
}

describe('a soak', () => {
  it('is flat where only its first minutes grew, and one minute stands out', () => {
    assert.deepEqual(whatGrew(minutes((at) => ({ residentMiB: at < 5 ? 100 + 16 * at : 180 }))), []);
    assert.deepEqual(
      whatGrew(minutes((at) => ({ delayP99: at === 17 ? 90 : 12, sockets: at === 18 ? 3000 : 1560 }))),
      [],
    );
    assert.deepEqual(whatGrew(minutes(() => ({}), 3)), []);
  });

  it('is not where something goes on growing', () => {
    assert.deepEqual(whatGrew(minutes((at) => ({ residentMiB: 180 + 3 * at }))), [
      'memory grew from 204 to 227 MiB',
    ]);
    assert.match(String(whatGrew(minutes((at) => ({ sockets: 1560 + 20 * at })))), /^open connections grew/);
    assert.match(String(whatGrew(minutes((at) => ({ files: 540 + 20 * at })))), /^open files grew/);
    assert.match(
      String(whatGrew(minutes((at) => ({ delayP99: at < 12 ? 12 : 40 })))),
      /^the delay of the event loop grew/,
    );
  });

  it('is not where memory rises slowly, but steadily, as a leak does', () => {
    const noise = (at: number) => ((at * 7) % 5) - 2;
    assert.deepEqual(whatGrew(minutes((at) => ({ residentMiB: 180 + 0.7 * at + noise(at) }))), [
      'memory grows by 42 MiB an hour',
    ]);
    assert.deepEqual(whatGrew(minutes((at) => ({ residentMiB: 180 + 0.1 * at + noise(at) }))), []);
    assert.deepEqual(whatGrew(minutes((at) => ({ residentMiB: 180 - 0.7 * at + noise(at) }))), []);
  });

  it('is not judged by less than three minutes', () => {
    assert.throws(() => whatGrew(minutes(() => ({}), 2)), /three minutes/);
  });
});
