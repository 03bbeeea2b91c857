import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { readBody } from '#src/net/body.ts';
import type { TransportResponse } from '#src/net/transport.ts';

function response(body: Readable): TransportResponse {
  return {
    status: 200,
    headers: {},
    url: new URL('https://registry.example.com/v2/a/manifests/v1'),
    body,
    async [Symbol.asyncDispose]() {},
  };
}

describe('a small body', () => {
  it('that drips, never silent and never whole, is given up after two minutes', async () => {
    let now = 0;
    let given = 0;
    const body = Readable.from(
      (function* () {
        for (;;) {
          now += 20_000;
          given += 1;
          yield Buffer.from('x');
        }
      })(),
    );
    await assert.rejects(readBody(response(body), { maxBytes: 1000, what: 'manifest', now: () => now }), {
      code: 'UNAVAILABLE',
      status: 504,
      message: 'manifest took longer than 120 s',
    });
    assert.ok(given < 30, `${given} chunks`);
  });
});
