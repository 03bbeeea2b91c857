import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ResponseReader } from '#src/net/wire/response-reader.ts';

interface Read {
  readonly status: number;
  readonly body: string;
  readonly used: number;
  readonly isComplete: boolean;
}

/** Pushes the text in pieces of these lengths, over and over, and the end of the connection behind it. */
async function read(text: string, lengths: readonly number[] = [text.length]): Promise<Read> {
  const reader = new ResponseReader('GET', () => undefined);
  const bytes = Buffer.from(text, 'latin1');
  let at = 0;
  let used = 0;
  for (let turn = 0; at < bytes.length && !reader.isComplete; turn += 1) {
    const piece = bytes.subarray(at, at + (lengths[turn % lengths.length] ?? 1));
    used += reader.push(piece);
    at += piece.length;
  }
  const { isComplete } = reader;
  if (!isComplete) reader.end();
  const { status } = await reader.head;
  const chunks: Buffer[] = [];
  for await (const chunk of reader.body) chunks.push(chunk);
  return { status, body: Buffer.concat(chunks).toString('latin1'), used, isComplete };
}

const chunkedHead = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

describe('a response', () => {
  const bodies: [what: string, text: string, expected: Partial<Read>][] = [
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP', { body: 'abc', used: 41 }],
    ['length 0', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', { body: '', isComplete: true }],
    ['chunks', `${chunkedHead}3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n`, { body: 'abc0123456789' }],
    ['extensions', `${chunkedHead}1 ;a=b;c="d"\r\nx\r\n000\t;e\r\n\r\n`, { body: 'x', isComplete: true }],
    ['trailers', `${chunkedHead}1\r\nx\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n`, { body: 'x', isComplete: true }],
    ['neither', 'HTTP/1.1 200 OK\r\n\r\nall of it', { body: 'all of it', isComplete: false }],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nold', { body: 'old', isComplete: false }],
    ['status 204', 'HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\nrest', { body: '', isComplete: true }],
    ['status 304', 'HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n', { body: '', isComplete: true }],
    [
      'interim ones before it',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 206 OK\r\nContent-Length: 1\r\n\r\nx',
      { status: 206, body: 'x' },
    ],
  ];
  for (const [what, text, expected] of bodies) {
    it(`with ${what} is the same however the network cuts it`, async () => {
      const whole = await read(text);
      assert.deepEqual({ ...whole, ...expected }, whole);
      const pieces = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });
      await fc.assert(
        fc.asyncProperty(pieces, async (lengths) => {
          const { used: _, ...cut } = await read(text, lengths);
          const { used: __, ...uncut } = whole;
          assert.deepEqual(cut, uncut);
        }),
        { numRuns: 60 },
      );
    });
  }

  const broken: [what: string, text: string][] = [
    ['a short body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc'],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-'],
    ['nothing', ''],
    ['chunks without an end', `${chunkedHead}3\r\nabc\r\n`],
    ['chunks without their last line', `${chunkedHead}3\r\nabc\r\n0\r\n`],
    ['a size that is none', `${chunkedHead}x\r\n`],
    ['a size with a sign', `${chunkedHead}+3\r\nabc\r\n0\r\n\r\n`],
    ['a size with 0x', `${chunkedHead}0x3\r\nabc\r\n0\r\n\r\n`],
    ['an empty size', `${chunkedHead}\r\nabc\r\n0\r\n\r\n`],
    ['a size that no number holds', `${chunkedHead}fffffffffffffffff\r\n`],
    ['a size that ends with LF alone', `${chunkedHead}3\nabc\r\n0\r\n\r\n`],
    ['a lone CR in an extension', `${chunkedHead}3;a\rb\r\nabc\r\n0\r\n\r\n`],
    ['a chunk longer than its size', `${chunkedHead}3\r\nabcd\r\n0\r\n\r\n`],
    ['a chunk that ends with LF alone', `${chunkedHead}3\r\nabc\n0\r\n\r\n`],
    ['an extension without an end', `${chunkedHead}3;${'x'.repeat(2000)}\r\nabc\r\n0\r\n\r\n`],
    ['trailers without an end', `${chunkedHead}0\r\n${`X-A: ${'b'.repeat(900)}\r\n`.repeat(10)}\r\n`],
    ['a trailer that is none', `${chunkedHead}0\r\nbroken\r\n\r\n`],
    ['an encoding besides chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    ['chunked twice', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n'],
    ['chunked under HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a protocol nobody asked for', 'HTTP/1.1 101 Switching\r\n\r\n'],
    ['interim ones without an end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50)],
    ['a head without an end', `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(5000)}`],
  ];
  for (const [what, text] of broken) {
    it(`that is ${what} is an error however the network cuts it`, async () => {
      for (const lengths of [[text.length], [1], [7, 100, 3]]) {
        await assert.rejects(read(text, lengths), { code: /^(?:HPE|UND_ERR)_/ });
      }
    });
  }

  it('of any bytes either ends or is an error with a code', async () => {
    const line = fc.constantFrom(
      'HTTP/1.1 200 OK',
      'Transfer-Encoding: chunked',
      'Content-Length: 4',
      '',
      '4',
      '0',
      'abcd',
    );
    const text = fc.oneof(
      fc.array(line, { maxLength: 12 }).map((lines) => lines.join('\r\n')),
      fc
        .uint8Array({ maxLength: 300 })
        .map((bytes) => `${chunkedHead}${Buffer.from(bytes).toString('latin1')}`),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 50 }), async (sent, length) => {
        await read(sent, [length]).catch((error: unknown) => {
          assert.match((error as { code: string }).code, /^(?:HPE|UND_ERR)_/);
        });
      }),
      { numRuns: 500 },
    );
  });
});
