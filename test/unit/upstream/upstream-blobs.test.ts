import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sha256 } from '#src/oci/digest.ts';
import { parseDigest } from '#src/oci/reference.ts';
import type { RangeSpec } from '#src/oci/registry.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import type { Fault } from '#test/fakes/upstream-answers.ts';
import {
  chunked,
  cutAfter,
  failing,
  gzipped,
  headers,
  on,
  rangeIgnored,
  stalledAfter,
  times,
} from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const layer = Buffer.from(bytes(200_000));
const digest = sha256(layer);
const noBytes = sha256(Buffer.alloc(0));
const path = `/v2/library/alpine/blobs/${digest}`;

async function start(settings: Parameters<typeof UpstreamUnderTest.start>[0] = {}) {
  const made = await UpstreamUnderTest.start(settings);
  made.upstream.content.putBlob(made.name, layer);
  return made;
}

/** Gives another part than was asked for. */
function asked(range: string): Fault {
  return async (request, next) => {
    request.headers.range = range;
    return await next();
  };
}

async function pull({ registry, name }: UpstreamUnderTest, range?: RangeSpec) {
  await using reader = await registry.getBlob(name, digest, { range });
  return { size: reader.size, range: reader.range, body: await collect(reader.body) };
}

describe('a blob', () => {
  it('comes whole, with its size', async () => {
    await using made = await start();
    assert.deepEqual(await pull(made), { size: layer.length, range: undefined, body: layer });
    assert.deepEqual(await made.registry.resolveBlob(made.name, digest), { digest, size: layer.length });
    assert.deepEqual(made.upstream.calls, [`GET ${path}`, `HEAD ${path}`]);
    assert.equal(made.upstream.requests[0]?.headers['accept-encoding'], 'identity');
  });

  it('comes whole by sha512 too', async () => {
    await using made = await start();
    const long = parseDigest(`sha512:${createHash('sha512').update(layer).digest('hex')}`);
    made.upstream.content.putBlob(made.name, layer, long);
    await using reader = await made.registry.getBlob(made.name, long);
    assert.ok(layer.equals(await collect(reader.body)));
  });

  it('of no bytes is a blob', async () => {
    await using made = await start();
    const empty = made.upstream.content.putBlob(made.name, Buffer.alloc(0));
    await using reader = await made.registry.getBlob(made.name, empty.digest);
    assert.equal(reader.size, 0);
    assert.equal((await collect(reader.body)).length, 0);
    assert.equal(empty.digest, noBytes);
    assert.equal((await made.registry.resolveBlob(made.name, noBytes)).size, 0);
    made.spoil(on('HEAD', failing(404)));
    assert.equal((await made.registry.resolveBlob(made.name, noBytes)).size, 0);
  });

  it('comes without a size where upstream does not say it', async () => {
    await using made = await start();
    made.spoil(chunked);
    assert.deepEqual(await pull(made), { size: undefined, range: undefined, body: layer });
    made.spoil(chunked, headers({ 'Content-Range': 'bytes 0-0/*' }));
    assert.deepEqual(await made.registry.resolveBlob(made.name, digest), { digest, size: undefined });
  });

  for (const [what, fault] of [
    ['does not say the size', chunked],
    ['says that it has no bytes', headers({ 'Content-Length': '0' })],
    ['speaks of its encoding', headers({ 'Content-Encoding': 'gzip' })],
    ...[400, 401, 403, 404, 405, 410, 501].map(
      (status) => [`is answered ${status}`, failing(status)] as const,
    ),
  ] as const) {
    it(`is asked about by a GET of one byte where the HEAD ${what}`, async () => {
      await using made = await start();
      made.spoil(on('HEAD', fault));
      assert.deepEqual(await made.registry.resolveBlob(made.name, digest), { digest, size: layer.length });
      assert.deepEqual(made.upstream.calls, [`HEAD ${path}`, `GET ${path}`]);
      assert.equal(made.upstream.requests[1]?.headers.range, 'bytes=0-0');
    });
  }

  it('is asked about by a GET of the whole where upstream ignores a Range, or refuses it', async () => {
    for (const [fault, gets] of [
      [rangeIgnored, 1],
      ...[400, 403, 405, 416, 501].map((status) => [times(1, failing(status)), 2] as const),
    ] as const) {
      await using made = await start();
      made.spoil(on('HEAD', failing(404)), on('GET', fault));
      assert.deepEqual(await made.registry.resolveBlob(made.name, digest), { digest, size: layer.length });
      assert.equal(made.upstream.calls.length, 1 + gets);
    }
  });

  it('whose size is known is not asked for to learn it, but to confirm that it is not there', async () => {
    await using made = await start();
    const ask = async () => await made.registry.resolveBlob(made.name, digest, { sizeKnown: true });
    made.spoil(on('HEAD', headers({ 'Content-Length': '0' })));
    assert.deepEqual(await ask(), { digest, size: undefined });
    assert.deepEqual(made.upstream.calls, [`HEAD ${path}`]);
    made.spoil(on('HEAD', failing(404)));
    assert.deepEqual(await ask(), { digest, size: layer.length });
    assert.deepEqual(made.upstream.calls.slice(1), [`HEAD ${path}`, `GET ${path}`]);
  });

  it('that HEAD and GET deny is not there', async () => {
    await using made = await start();
    made.spoil(failing(404));
    await assert.rejects(made.registry.resolveBlob(made.name, digest), { code: 'BLOB_UNKNOWN', status: 404 });
    assert.deepEqual(made.upstream.calls, [`HEAD ${path}`, `GET ${path}`]);
    assert.deepEqual(made.oddities, []);
  });

  it('that only HEAD denies is said to be odd once, and HEADs are still tried first', async () => {
    await using made = await start();
    made.spoil(on('HEAD', failing(404)));
    for (let call = 0; call < 2; call += 1) await made.registry.resolveBlob(made.name, digest);
    assert.deepEqual(made.upstream.calls, [`HEAD ${path}`, `GET ${path}`, `HEAD ${path}`, `GET ${path}`]);
    assert.equal(made.oddities.length, 1);
    assert.match(made.oddities[0] ?? '', /answers HEAD with 404/);
  });

  it('is not asked for again where the HEAD met an outage or a limit', async () => {
    for (const status of [429, 500, 503]) {
      await using made = await start();
      made.spoil(on('HEAD', failing(status)));
      await assert.rejects(made.registry.resolveBlob(made.name, digest));
      assert.ok(made.upstream.calls.every((call) => call.startsWith('HEAD')));
    }
  });

  for (const [what, fault] of [
    ['is cut', cutAfter(100_000)],
    [
      'is cut and has no length',
      (request, next) => chunked(request, async () => await cutAfter(100_000)(request, next)),
    ],
  ] as const satisfies [string, Fault][]) {
    it(`that ${what} never ends as if it were whole`, async () => {
      await using made = await start();
      made.spoil(fault);
      await using reader = await made.registry.getBlob(made.name, digest);
      const seen: Uint8Array[] = [];
      await assert.rejects(
        async () => {
          for await (const chunk of reader.body) seen.push(Uint8Array.from(chunk));
        },
        { code: 'UNAVAILABLE', status: 502 },
      );
      assert.ok(Buffer.concat(seen).equals(layer.subarray(0, 100_000)));
    });
  }

  it('that stalls breaks off with 504', async () => {
    await using made = await start({ stallTimeoutMs: 50 });
    const never = gate();
    made.spoil(stalledAfter(100_000, never.wait));
    await assert.rejects(pull(made), { code: 'UNAVAILABLE', status: 504 });
    never.open();
  });

  it('that is encoded, or only called so, is the blob', async () => {
    for (const encoding of ['gzip', 'identity']) {
      await using made = await start();
      made.spoil(headers({ 'Content-Encoding': encoding }));
      assert.deepEqual(await pull(made), { size: layer.length, range: undefined, body: layer });
    }
    await using made = await start();
    made.spoil(gzipped);
    assert.deepEqual(await pull(made), { size: layer.length, range: undefined, body: layer });
    await assert.rejects(pull(made, { first: 5, last: 9 }), {
      code: 'UNAVAILABLE',
      message: /Content-Encoding/,
    });
  });

  it('ends in the middle when the signal of whoever reads it says so', async () => {
    await using made = await start();
    const never = gate();
    made.spoil(stalledAfter(100_000, never.wait));
    const client = new AbortController();
    await using reader = await made.registry.getBlob(made.name, digest, { signal: client.signal });
    const reading = assert.rejects(collect(reader.body), /client is gone/);
    await never.reached;
    client.abort(new Error('client is gone'));
    await reading;
    never.open();
  });
});

describe('a part of a blob', () => {
  const spec = fc.oneof(
    fc.record({ first: fc.nat(250_000), last: fc.option(fc.nat(250_000), { nil: undefined }) }),
    fc.record({ suffix: fc.nat(250_000) }),
  );

  for (const [what, faults] of [
    ['that upstream gives', []],
    ['that upstream gives with the whole around it', [rangeIgnored]],
  ] as [string, Fault[]][]) {
    it(`${what} is the part that was asked for`, async () => {
      await using made = await start();
      made.spoil(...faults);
      await fc.assert(
        fc.asyncProperty(spec, async (range) => {
          const first = 'suffix' in range ? Math.max(0, layer.length - range.suffix) : range.first;
          const last =
            'suffix' in range ? layer.length - 1 : Math.min(range.last ?? layer.length, layer.length - 1);
          if (first > last) {
            await assert.rejects(pull(made, range), {
              code: 'RANGE_INVALID',
              status: 416,
              headers: { 'Content-Range': `bytes */${layer.length}` },
            });
            return;
          }
          const got = await pull(made, range);
          assert.deepEqual([got.size, got.range], [layer.length, { first, last }]);
          assert.ok(layer.subarray(first, last + 1).equals(got.body));
        }),
        { numRuns: 30 },
      );
    });
  }

  it('is asked for by one Range header', async () => {
    await using made = await start();
    await pull(made, { first: 5, last: 9 });
    await pull(made, { first: 5 });
    await pull(made, { suffix: 5 });
    assert.deepEqual(
      made.upstream.requests.map(({ headers: { range } }) => range),
      ['bytes=5-9', 'bytes=5-', 'bytes=-5'],
    );
  });

  it('is known though upstream keeps the size to itself', async () => {
    await using made = await start();
    made.spoil(chunked, headers({ 'Content-Range': 'bytes 100-199/*' }));
    assert.deepEqual(await pull(made, { first: 100, last: 199 }), {
      size: undefined,
      range: { first: 100, last: 199 },
      body: layer.subarray(100, 200),
    });
    made.spoil(headers({ 'Content-Range': 'bytes 199000-199999/*' }));
    const tail = { first: 199_000, last: 199_999 };
    assert.deepEqual((await pull(made, { first: 199_000 })).range, tail);
    assert.deepEqual((await pull(made, { suffix: 1000 })).range, tail);
  });

  it('is cut out of a whole without a size if its end is known', async () => {
    await using made = await start();
    made.spoil(rangeIgnored, chunked);
    const got = await pull(made, { first: 100, last: 199 });
    assert.ok(layer.subarray(100, 200).equals(got.body));
    for (const range of [{ first: 100 }, { suffix: 5 }]) {
      await assert.rejects(pull(made, range), { code: 'UNAVAILABLE', message: /ignores ranges/ });
    }
    await assert.rejects(pull(made, { first: 100, last: 300_000 }), { message: /ended short/ });
  });

  for (const [what, fault] of [
    ['begins elsewhere', asked('bytes=6-9')],
    ['ends elsewhere', asked('bytes=5-10')],
    ['is longer than what came', headers({ 'Content-Range': 'bytes 5-10/200000' })],
    ['is of another size than it says', headers({ 'Content-Range': 'bytes 5-9/7' })],
    ['is malformed', headers({ 'Content-Range': 'bytes 5-9' })],
    ['is missing', headers({ 'Content-Range': undefined })],
  ] as [string, Fault][]) {
    it(`whose Content-Range ${what} is refused`, async () => {
      await using made = await start();
      made.spoil(fault);
      await assert.rejects(pull(made, { first: 5, last: 9 }), {
        code: 'UNAVAILABLE',
        status: 502,
        message: /another range than was asked for/,
      });
    });
  }

  it('that is shorter than its Content-Range says is refused', async () => {
    await using made = await start();
    made.spoil(headers({ 'Content-Range': 'bytes 5-9/200000' }), asked('bytes=5-7'));
    await assert.rejects(pull(made, { first: 5, last: 9 }), { message: /another range/ });
  });

  it('of a whole that nobody asked a part of is refused', async () => {
    await using made = await start();
    made.spoil(async (_, next) => ({ ...(await next()), status: 206 }));
    await assert.rejects(pull(made), { code: 'UNAVAILABLE', status: 502 });
  });

  it('that is not there is 416, with a size only where upstream says it', async () => {
    await using made = await start();
    for (const [sent, want] of [
      ['bytes */200000', { 'Content-Range': 'bytes */200000' }],
      ['bytes 0-5/200000', {}],
      [undefined, {}],
    ] as const) {
      made.spoil(headers({ 'Content-Range': sent }), failing(416));
      await assert.rejects(pull(made, { first: 200_000 }), {
        code: 'RANGE_INVALID',
        status: 416,
        headers: want,
      });
    }
  });
});
