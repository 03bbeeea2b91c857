import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BodyQueue } from '#src/net/wire/body-queue.ts';
import { bytes } from '#test/fakes/images.ts';

async function chunksOf(queue: BodyQueue): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of queue) chunks.push(chunk);
  return chunks;
}

describe('a body that comes in very small chunks', () => {
  it('is handed on in few', async () => {
    const queue = new BodyQueue(() => undefined);
    const body = Buffer.from(bytes(40_000));
    // As of a chunked body, whose bytes do not lie side by side.
    for (const byte of body) queue.push(Buffer.from([byte]));
    queue.end();
    const chunks = await chunksOf(queue);
    assert.ok(Buffer.concat(chunks).equals(body));
    assert.ok(chunks.length <= 5, `${chunks.length} chunks`);
  });

  it('is in order among large ones', async () => {
    const queue = new BodyQueue(() => undefined);
    const parts = ['abc', 'de', 'f'.repeat(1000), 'g', 'h', 'i'.repeat(20_000), 'j'];
    for (const part of parts) queue.push(Buffer.from(part));
    queue.end();
    assert.equal(Buffer.concat(await chunksOf(queue)).toString(), parts.join(''));
  });

  it('is handed on as it came where it is one: its memory is wanted back', async () => {
    const queue = new BodyQueue(() => undefined);
    const only = Buffer.from('abc');
    queue.push(only);
    queue.end();
    assert.equal((await chunksOf(queue))[0]?.buffer, only.buffer);
  });

  it('is in the memory that it came in where that lies behind what waits, and else not lent', async () => {
    const queue = new BodyQueue(() => undefined);
    const memory = Buffer.from(bytes(2000));
    for (const [from, to] of [
      [0, 1000],
      [1000, 1003],
      [1003, 1010],
      [1020, 1030],
      [1030, 1700],
    ] as const)
      queue.push(memory.subarray(from, to));
    queue.end();
    const chunks = await chunksOf(queue);
    const lent = chunks.filter(({ buffer }) => buffer === memory.buffer);
    assert.deepEqual(
      lent.map(({ length }) => length),
      [1010, 670],
    );
    assert.equal(queue.lent, 1680);
    assert.equal(queue.received, 1690);
    const expected = Buffer.concat([memory.subarray(0, 1010), memory.subarray(1020, 1700)]);
    assert.ok(Buffer.concat(chunks).equals(expected));
  });

  it('is not lent where nobody reads any more', () => {
    const queue = new BodyQueue(() => undefined);
    queue.discard();
    queue.push(Buffer.from('abc'));
    assert.equal(queue.lent, 0);
  });
});
