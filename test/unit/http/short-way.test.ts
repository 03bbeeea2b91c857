import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { FinishedAnswers } from '#src/http/finished-answers.ts';
import { sha256 } from '#src/oci/digest.ts';
import { parseTag } from '#src/oci/reference.ts';
import { loseBlob, removeManifest } from '#src/storage/operation.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { type Sent, WatchedServer } from '#test/fakes/watched-server.ts';
import { repetitions } from '#test/setup/repetitions.ts';

const alpine = repository('docker.io/library/alpine');
const other = repository('docker.io/acme/other');
const layers = [bytes(1000), bytes(64 * 1024, 2), bytes(70_000, 3)];
const [small, limit, large] = layers.map(sha256);
const freshMs = 60_000;
const mebibyte = 1024 * 1024;

/** The same content in each. */
async function world(finished: FinishedAnswers | 'none'): Promise<WatchedServer> {
  const rules = [{ pattern: '**:always', freshness: 'always' } as const];
  const made = await WatchedServer.start(finished, { freshness: freshnessPolicy(rules, freshMs) });
  for (const tag of ['v1', 'always']) putImage(made.cache.content, alpine, tag, layers);
  putImage(made.cache.content, other, 'v1', [bytes(10)]);
  return made;
}

/** Two ways to write what is the same, and what is not. */
const paths = [
  '/v2/docker.io/library/alpine/manifests/v1',
  '/v2/docker.io/alpine/manifests/v1',
  '/v2//docker.io/library/alpine/manifests/v1',
  '/v2/docker.io/library/alpine/manifests/v1/',
  '/v2/docker.io%2Flibrary/alpine/manifests/v1',
  '/v2/docker.io/library/../library/alpine/manifests/v1',
  '/v2/docker.io/library/alpine/manifests/%76%31',
  'http://localhost/v2/docker.io/library/alpine/manifests/v1',
  '/v2/library/alpine/manifests/v1?ns=docker.io',
  '/v2/library/alpine/manifests/v1?ns=quay.io',
  '/v2/library/alpine/manifests/v1',
  '/v2/docker.io/acme/other/manifests/v1',
  '/v2/docker.io/library/alpine/manifests/always',
  '/v2/docker.io/library/alpine/manifests/none',
  `/v2/docker.io/library/alpine/blobs/${small}`,
  `/v2/docker.io/library/alpine/blobs/${small}?`,
  `/v2/docker.io/acme/other/blobs/${small}`,
  `/v2/docker.io/library/alpine/blobs/${limit}`,
  `/v2/docker.io/library/alpine/blobs/${large}`,
  '/v2/docker.io/library/alpine/tags/list',
  '/v2/',
  '/',
];

const headers: readonly (readonly string[])[] = [
  ['Accept', 'application/vnd.oci.image.manifest.v1+json', 'User-Agent', 'test/1'],
  ['Accept', '*/*', 'Accept', 'text/plain'],
  ['X-Request-Id', 'given-1'],
  ['X-Request-Id', 'not one, but two'],
  ['X-Request-Id', 'a', 'X-Request-Id', 'b'],
  ['Range', 'bytes=1-9'],
  ['Range', 'bytes=999999-'],
  ['If-None-Match', '*'],
  ['If-None-Match', `"${small}"`],
  ['If-Modified-Since', new Date(0).toUTCString()],
  ['If-Range', '"x"', 'Range', 'bytes=0-1'],
  ['Cache-Control', 'no-cache'],
  ['X-Registry', 'docker.io'],
  ['x-registry', 'quay.io'],
  ['Authorization', 'no'],
  ['Authorization', 'later'],
  ['Authorization', 'never'],
  ['Authorization', 'ann'],
  ['Authorization', 'ann', 'X-Forwarded-For', '192.0.2.1'],
  ['Authorization', 'slow ann'],
  ['Authorization', 'bob'],
  ['Authorization', 'slow bob'],
  ['Authorization', 'ann', 'Authorization', 'bob'],
  ['Authorization', 'ann', 'authorization', 'ann'],
  ['Authorization', 'later', 'Range', 'bytes=0-0'],
  ['Host', 'another:8080'],
  ['Content-Length', '0'],
  ['Transfer-Encoding', 'chunked'],
  ['Connection', 'close'],
  ['Upgrade', 'h2c', 'Connection', 'upgrade'],
  ['X-Forwarded-For', '192.0.2.1'],
  ['X-Anything', 'at all'],
];

type Step =
  | { readonly kind: 'ask'; readonly sent: Sent; readonly times: number }
  | { readonly kind: 'pass'; readonly ms: number }
  /** And nobody has looked for so long that it shows. */
  | { readonly kind: 'move'; readonly to: number }
  | { readonly kind: 'remove' | 'lose' | 'forget' | 'drain' | 'outage' };

const plain = fc.constant<readonly string[]>([]);
const sent = fc.record({
  method: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('GET', 'GET', 'HEAD') },
    fc.constantFrom('POST', 'DELETE'),
  ),
  target: fc.oneof(fc.constantFrom(...paths.slice(0, 1)), fc.constantFrom(...paths)),
  headers: fc.oneof({ weight: 2, arbitrary: plain }, fc.constantFrom(...headers)),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      sent,
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 9000, 30_000, freshMs),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('move' as const), to: fc.integer({ min: 0, max: 3 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('remove' as const, 'lose' as const, 'forget' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('drain' as const, 'outage' as const) }) },
);

/** So that there is something finished when the rest begins. */
const first: readonly Step[] = [
  ['GET', paths[0]],
  ['HEAD', paths[0]],
  ['GET', `/v2/docker.io/library/alpine/blobs/${small}`],
].map(([method = '', target = '']) => ({ kind: 'ask', sent: { method, target, headers: [] }, times: 4 }));

async function take(made: WatchedServer, step: Step): Promise<unknown> {
  const { cache } = made;
  const { metadata } = cache.parts;
  switch (step.kind) {
    case 'ask': {
      const had: unknown[] = [];
      for (let time = 0; time < step.times; time += 1) had.push(await made.ask(step.sent));
      return had;
    }
    case 'pass':
      await cache.clock.advance(step.ms);
      break;
    case 'move':
      putImage(cache.content, alpine, 'v1', [bytes(100, step.to)]);
      await cache.clock.advance(freshMs);
      break;
    case 'remove': {
      const record = await metadata.getTag(alpine, parseTag('v1'));
      if (record === undefined) break;
      const { digest } = record.descriptor;
      await metadata.change([removeManifest(alpine, digest)]);
      made.tell([
        { kind: 'manifest', repository: alpine, digest },
        { kind: 'tag', repository: alpine, tag: parseTag('v1') },
      ]);
      break;
    }
    case 'lose':
      if (small === undefined) break;
      await cache.blobs.delete(small);
      await metadata.change([loseBlob(small)]);
      made.tell([{ kind: 'blob', digest: small }]);
      break;
    case 'forget':
      made.tell('all');
      break;
    case 'drain':
      made.isDraining = !made.isDraining;
      break;
    case 'outage':
      made.isAway = !made.isAway;
  }
  await cache.settle();
  return undefined;
}

describe('an answer by the short way', { timeout: 300_000 }, () => {
  it('is that of the long way, whatever was asked and happened before: status, headers, bytes, log, metrics, uses, who was asked about whom, by which rule and how often, and what reached upstream', async () => {
    let [byShort, byLong] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        await using long = await world('none');
        await using short = await world(new FinishedAnswers(mebibyte));
        for (const [at, one] of [...first, ...steps].entries()) {
          const expected = await take(long, one);
          assert.deepEqual(await take(short, one), expected, `step ${at}`);
          assert.deepEqual(short.seen(), long.seen(), `behind step ${at}`);
        }
        byShort += short.calls;
        byLong += long.calls;
      }),
      { numRuns: repetitions(40) },
    );
    // Else the two would have gone the same way.
    assert.ok(byShort < byLong * 0.9, `${byShort} of ${byLong}`);
  });
});
