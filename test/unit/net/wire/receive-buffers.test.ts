import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ReceiveBuffers } from '#src/net/wire/receive-buffer.ts';

it('receive buffers wait for their next use as far as there is room for them', () => {
  const buffers = new ReceiveBuffers(2 * 256 * 1024);
  const loans = Array.from({ length: 3 }, () => buffers.lend());
  for (const loan of loans) {
    loan.bytes.fill(7);
    loan.used = loan.bytes.length;
    buffers.done(loan, loan.used);
    buffers.full(loan);
  }
  const again = Array.from({ length: 3 }, () => buffers.lend());
  const used = again.filter(({ bytes }) => bytes.every((byte) => byte === 7));
  assert.equal(used.length, 2);
});

it('what Node has made for what came is freed, whole and once; of theirs a part is not', () => {
  const buffers = new ReceiveBuffers(256 * 1024);
  const [own, part] = [Buffer.from(new ArrayBuffer(64)), Buffer.alloc(64).subarray(1)];
  const loan = buffers.lend();
  loan.used = 2;
  const lent = loan.bytes.subarray(0, 1);
  for (const chunk of [own, own, part, lent]) buffers.giveBack(chunk);
  assert.deepEqual([own.length, part.length, lent.length], [0, 63, 1]);
});
