import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { parseTag } from '#src/oci/reference.ts';
import { CacheUnderTest } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import type { Answer, Fault } from '#test/fakes/upstream-answers.ts';
import {
  bodied,
  chunked,
  cutAfter,
  failing,
  on,
  rangeIgnored,
  redirected,
  times,
} from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const layer = Buffer.from(bytes(1_000_000));
const size = layer.length;
const digest = sha256(layer);
const cutAt = 500_000;

interface Asked {
  readonly first: number;
  readonly last: number | undefined;
}

/** Only for requests of a range, which it is told. */
function ranged(answer: (asked: Asked) => Answer | undefined): Fault {
  return async ({ headers }, next) => {
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    if (first === undefined) return await next();
    return answer({ first: Number(first), last: last === '' ? undefined : Number(last) }) ?? (await next());
  };
}

function part(
  first: number,
  last: number,
  headers: Readonly<Record<string, string | undefined>> = {},
  status = 206,
): Answer {
  const range = `bytes ${first}-${last}/${size}`;
  const all: Readonly<Record<string, string | undefined>> = {
    'Content-Length': String(last - first + 1),
    'Content-Range': range,
    ...headers,
  };
  const kept = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { status, headers: Object.fromEntries(kept), body: [layer.subarray(first, last + 1)] };
}

const refused: Answer = { status: 416, headers: { 'Content-Length': '0' } };
const gone = cutAfter(cutAt);

/** A cache in front of the real client in front of an upstream with one image. */
async function start({ knowsSize = true } = {}) {
  const stack = new AsyncDisposableStack();
  const made = stack.use(await UpstreamUnderTest.start());
  const cache = stack.use(new CacheUnderTest({ upstream: made.registry }));
  putImage(made.upstream.content, made.name, 'v1', [layer]);
  if (knowsSize) await cache.registry.getManifest(made.name, parseTag('v1'));
  made.upstream.requests.splice(0);
  return {
    made,
    cache,
    /** Lets the pauses between resumes pass. Rejects where the transfer fails. */
    async pull(): Promise<Buffer> {
      await using reader = await cache.registry.getBlob(made.name, digest);
      const body = collect(reader.body);
      const over = body.then(
        () => true,
        () => true,
      );
      while (!(await Promise.race([over, cache.settle().then(() => false)])))
        if (cache.clock.pausing > 0) await cache.clock.advance(5000);
      return await body;
    },
    /** What was asked for, in turn: `whole`, or a Range. */
    get asked(): string[] {
      return made.upstream.requests.map(({ headers }) => headers.range?.replace('bytes=', '') ?? 'whole');
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

const open = `${cutAt}-`;
const closed = `${cutAt}-${size - 1}`;

describe('a blob that was cut is finished from an upstream that answers a Range with', () => {
  for (const [what, answer, asked] of [
    ['206 as it should be', () => undefined, [open]],
    ['416 where the range is open', ({ last }) => (last === undefined ? refused : undefined), [open, closed]],
    ['416 always', () => refused, [open, closed, 'whole']],
    [
      '400 and XML',
      () => ({ status: 400, headers: {}, body: [Buffer.from('<Error/>')] }),
      [open, closed, 'whole'],
    ],
    ['403', () => ({ status: 403, headers: {} }), [open, closed, 'whole']],
    ['501', () => ({ status: 501, headers: {} }), [open, closed, 'whole']],
    ['200 and the part', ({ first }) => part(first, size - 1, {}, 200), [open]],
    [
      '200 and the part, without a length',
      ({ first }) => part(first, size - 1, { 'Content-Length': undefined }, 200),
      [open, closed, 'whole'],
    ],
    ['206 from a block border before', ({ first }) => part(first - (first % 65_536), size - 1), [open]],
    ['206 from the first byte', () => part(0, size - 1), [open]],
    ['206 from a byte behind', ({ first }) => part(first + 1, size - 1), [open, closed, 'whole']],
    ['206 of what is here already', () => part(0, cutAt - 1), [open, closed, 'whole']],
    [
      '206 without a Content-Range',
      ({ first }) => part(first, size - 1, { 'Content-Range': undefined }),
      [open],
    ],
    [
      '206 without a Content-Range, and another length',
      ({ first }) => part(first - 1, size - 1, { 'Content-Range': undefined }),
      [open, closed, 'whole'],
    ],
    [
      '206 without a size',
      ({ first }) => part(first, size - 1, { 'Content-Range': `bytes ${first}-${size - 1}/*` }),
      [open],
    ],
    [
      '206 of another blob',
      ({ first }) => part(first, size - 1, { 'Content-Range': `bytes ${first}-${size - 1}/${size + 1}` }),
      [open, closed, 'whole'],
    ],
    [
      '206 in pieces',
      ({ first, last = size - 1 }) => part(first, Math.min(last, first + 199_999)),
      [open, '700000-', '900000-'],
    ],
  ] as [string, (asked: Asked) => Answer | undefined, string[]][]) {
    it(what, async () => {
      await using test = await start();
      test.made.spoil(times(1, gone), ranged(answer));
      assert.ok(layer.equals(await test.pull()));
      assert.deepEqual(test.asked, ['whole', ...asked]);
    });
  }

  it('the whole', async () => {
    await using test = await start();
    test.made.spoil(times(1, gone), rangeIgnored);
    assert.ok(layer.equals(await test.pull()));
    assert.equal(test.made.upstream.requests.length, 2);
  });

  it('a 416 that says the size, where nothing else does', async () => {
    await using test = await start({ knowsSize: false });
    const says = { status: 416, headers: { 'Content-Range': `bytes */${size}`, 'Content-Length': '0' } };
    test.made.spoil(
      times(1, async (request, next) => await chunked(request, async () => await gone(request, next))),
      ranged(({ last }) => (last === undefined ? says : undefined)),
    );
    assert.ok(layer.equals(await test.pull()));
    assert.deepEqual(test.asked, ['whole', open, closed]);
  });
});

describe('a resume', () => {
  it('of one blob asks no more for what was refused in the last', async () => {
    await using test = await start();
    const first = times(1, gone);
    const later = times(
      2,
      bodied((body) => cutBehind(body, 100_000)),
    );
    test.made.spoil(
      first,
      on('GET', async (request, next) => await laterOnly(later)(request, next)),
      ranged(({ last }) => (last === undefined ? refused : undefined)),
    );
    assert.ok(layer.equals(await test.pull()));
    assert.deepEqual(test.asked, ['whole', open, closed, `600000-${size - 1}`, `700000-${size - 1}`]);
  });

  it('that brought nothing is not repeated: the next one asks otherwise', async () => {
    await using test = await start();
    // Each answer to a range looks right and breaks off before its first byte.
    test.made.spoil(times(1, gone), onRange(cutAfter(0)));
    assert.ok(layer.equals(await test.pull()));
    assert.deepEqual(test.asked, ['whole', open, closed, 'whole']);
  });

  it('that is cut off without a word is not repeated either', async () => {
    await using test = await start();
    test.made.spoil(
      times(1, gone),
      onRange(() => ({ status: 200, headers: {}, body: neverBegins() })),
    );
    assert.ok(layer.equals(await test.pull()));
    assert.equal(test.asked.at(-1), 'whole');
  });

  it('from a server that is out of order for ranges only takes the whole in the end', async () => {
    await using test = await start();
    test.made.spoil(times(1, gone), onRange(failing(500)));
    assert.ok(layer.equals(await test.pull()));
    const forms = test.asked.filter((range, index, all) => range !== all[index - 1]);
    assert.deepEqual(forms, ['whole', open, closed, 'whole']);
  });

  it('asks again for what was refused once where the whole gets no further, and then goes on with it', async () => {
    await using test = await start();
    // A link that carries no answer to its end, and one of several servers behind a name that takes no ranges.
    test.made.spoil(cutAfter(200_000), onRange(times(2, () => refused)));
    assert.ok(layer.equals(await test.pull()));
    const ranges = ['200000-', `200000-${size - 1}`, 'whole', '200000-', '400000-', '600000-', '800000-'];
    assert.deepEqual(test.asked, ['whole', ...ranges]);
  });

  it('is given up where every range is refused and the whole gets no further', async () => {
    await using test = await start();
    test.made.spoil(
      gone,
      onRange(() => refused),
    );
    await assert.rejects(test.pull(), { status: 502 });
    assert.equal(test.asked.filter((range) => range === 'whole').length, 1 + 5);
    assert.ok(test.asked.length <= 1 + 3 * 5, test.asked.join(' '));
  });

  it('begins at the registry’s own URL each time, whose redirect is signed anew', async () => {
    await using store = await UpstreamUnderTest.start();
    store.upstream.content.putBlob(store.name, layer);
    await using test = await start();
    const signed = ({ path }: { path: string }): string =>
      `${store.upstream.origin}${path}?signature=${test.made.upstream.requests.length}`;
    test.made.spoil(on(/blobs/, redirected(signed)));
    store.spoil(
      times(1, gone),
      ranged(({ last }) => (last === undefined ? refused : undefined)),
    );
    assert.ok(layer.equals(await test.pull()));
    assert.deepEqual(
      store.upstream.requests.map(({ query, headers: { range = 'whole' } }) => `${query} ${range}`),
      ['?signature=1 whole', `?signature=2 bytes=${open}`, `?signature=3 bytes=${closed}`],
    );
  });

  it('by the whole of another blob fails at once, and nobody is given a byte of it', async () => {
    await using test = await start();
    const other = Buffer.from(layer);
    other[cutAt - 1] = (other[cutAt - 1] ?? 0) ^ 1;
    const headers = { 'Content-Length': String(size) };
    test.made.spoil(
      times(1, gone),
      later(() => ({ status: 200, headers, body: [other] })),
    );
    const got = await test.pull().catch((error: unknown) => error);
    assert.match(String(got), /another blob than before it was cut/);
    assert.deepEqual(test.asked, ['whole', open]);
    assert.equal(await test.cache.parts.content.stat(digest), undefined);
  });

  it('by a whole that is shorter than what is here fails', async () => {
    await using test = await start({ knowsSize: false });
    const short = { status: 200, headers: { 'Content-Length': '1000' }, body: [layer.subarray(0, 1000)] };
    test.made.spoil(
      times(1, async (request, next) => await chunked(request, async () => await gone(request, next))),
      later(() => short),
    );
    await assert.rejects(test.pull(), /another blob|1000 bytes/);
  });

  it('is given up where nothing helps, and asks for no more than that', async () => {
    await using test = await start();
    test.made.spoil(
      times(1, gone),
      later(() => ({ status: 400, headers: {} })),
    );
    await assert.rejects(test.pull(), { status: 502 });
    assert.equal(test.asked.length, 1 + 3 * 5);
  });

  it('of a blob that is gone, or not ours any more, ends at once', async () => {
    for (const status of [404, 401]) {
      await using test = await start();
      test.made.spoil(times(1, gone), later(failing(status)));
      await assert.rejects(test.pull(), { status: status === 401 ? 403 : 404 });
      assert.deepEqual(test.asked.slice(0, 2), ['whole', open]);
      assert.ok(!test.asked.includes(closed));
    }
  });
});

/** Not for the first request. */
function later(fault: Fault): Fault {
  let isFirst = true;
  return async (request, next) => {
    if (!isFirst) return await fault(request, next);
    isFirst = false;
    return await next();
  };
}

function onRange(fault: Fault): Fault {
  return async (request, next) =>
    request.headers.range === undefined ? await next() : await fault(request, next);
}

/** For the answers that bring something. */
function laterOnly(fault: Fault): Fault {
  return async (request, next) => {
    const answer = await next();
    return request.headers.range === undefined || answer.status !== 206
      ? answer
      : await fault(request, () => Promise.resolve(answer));
  };
}

async function* cutBehind(body: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) throw new Error('cut');
  }
}

// biome-ignore lint/correctness/useYield: it breaks off before.
async function* neverBegins(): AsyncGenerator<Uint8Array> {
  throw new Error('cut');
}
