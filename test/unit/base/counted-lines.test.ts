import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CountedLines } from '#src/base/counted-lines.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

function start() {
  const clock = new FakeClock();
  const written: unknown[] = [];
  const write = (fields: object, message: string) => void written.push([message, fields]);
  return { clock, written, lines: new CountedLines({ clock, write }) };
}

describe('lines that anybody can cause', () => {
  it('are written at once, and then once a minute for as long as there are more, with how many they were', async () => {
    const { clock, written, lines } = start();
    for (let client = 1; client <= 1000; client += 1) lines.write({ client }, 'no TLS');
    assert.deepEqual(written.splice(0), [['no TLS', { client: 1 }]]);
    await clock.advance(60_000);
    assert.deepEqual(written.splice(0), [['no TLS', { client: 1000, times: 999 }]]);
    lines.write({ client: 7 }, 'no TLS');
    assert.deepEqual(written, []);
    await clock.advance(60_000);
    assert.deepEqual(written.splice(0), [['no TLS', { client: 7, times: 1 }]]);
    await clock.advance(60_000);
    assert.deepEqual([written, clock.sleeping], [[], 0]);
    lines.write({ client: 8 }, 'no TLS');
    assert.deepEqual(written, [['no TLS', { client: 8 }]]);
  });

  it('of one matter do not keep those of another', () => {
    const { written, lines } = start();
    lines.write({}, 'no TLS');
    lines.write({}, 'no certificate');
    assert.deepEqual(
      written.map((line) => (line as unknown[])[0]),
      ['no TLS', 'no certificate'],
    );
  });

  it('are all written when it is over, and no timer is left', () => {
    const { clock, written, lines } = start();
    for (let client = 1; client <= 3; client += 1) lines.write({ client }, 'no TLS');
    lines[Symbol.dispose]();
    lines.write({ client: 4 }, 'no TLS');
    assert.deepEqual(written, [
      ['no TLS', { client: 1 }],
      ['no TLS', { client: 3, times: 2 }],
      ['no TLS', { client: 4 }],
    ]);
    assert.equal(clock.sleeping, 0);
  });
});
