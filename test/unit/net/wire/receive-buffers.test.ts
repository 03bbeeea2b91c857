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
