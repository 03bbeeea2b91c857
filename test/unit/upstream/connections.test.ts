import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '#src/base/clock.ts';
import type { Descriptor } from '#src/oci/descriptor.ts';
import type { RepositoryName } from '#src/oci/reference.ts';
import { parseTag } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { openUpstream } from '#test/fakes/open-upstream.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import type { Fault } from '#test/fakes/upstream-answers.ts';
import {
  chunked,
  cutAfter,
  failing,
  gzipped,
  headers,
  html,
  on,
  rangeIgnored,
  redirected,
  stalledAfter,
  times,
  wrongBytes,
} from '#test/fakes/upstream-faults.ts';

const tag = parseTag('v1');
const longRefusal = {
  status: 400,
  headers: { 'Content-Type': 'text/plain' },
  body: Array.from({ length: 100 }, () => bytes(60_000)),
};

/** One connection to an upstream with one image, so that whatever is left open makes the next call wait. */
async function single() {
  const upstream = await FakeUpstream.start();
  let ahead = 0;
  const clock = { ...systemClock, monotonic: () => performance.now() + ahead };
  const registry = openUpstream(upstream, { maxConcurrent: 1, pullTimeoutMs: 3000, clock });
  const name = upstream.repository('library/alpine');
  const image = putImage(upstream.content, name, tag, [bytes(300_000)]);
  return {
    upstream,
    registry,
    name,
    manifest: image.manifest,
    layer: image.layers[0] as Descriptor,
    /** As if the rest that a failing upstream is given were over. */
    rested() {
      ahead += 2000;
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

async function pull(
  registry: Registry,
  name: RepositoryName,
  { digest }: Descriptor,
  range?: { first: number; last?: number },
) {
  await using reader = await registry.getBlob(name, digest, { range });
  return await collect(reader.body);
}

describe('a connection', () => {
  it('serves one request after the other: manifests, lists, whole blobs and parts', async () => {
    await using made = await single();
    const { upstream, registry, name, layer } = made;
    for (let round = 0; round < 3; round += 1) {
      await registry.getManifest(name, tag);
      await registry.listTags(name);
      await pull(registry, name, layer);
      await pull(registry, name, layer, { first: 100, last: 200_000 });
      await registry.listReferrers(name, layer.digest);
    }
    assert.equal(upstream.requests.length, 15);
    // One for blobs, one for the rest.
    assert.equal(upstream.connections, 2);
  });

  it('that a slow blob holds is not one that manifests wait for', async () => {
    await using made = await single();
    const { upstream, registry, name, layer, manifest } = made;
    const stuck = gate();
    upstream.faults.push(on('GET /v2/library/alpine/blobs/', stalledAfter(1000, stuck.wait)));
    await using reader = await registry.getBlob(name, layer.digest);
    const reading = collect(reader.body);
    await stuck.reached;
    assert.equal((await registry.getManifest(name, tag)).descriptor.digest, manifest.digest);
    stuck.open();
    assert.equal((await reading).length, layer.size);
  });

  it('is kept through refusals with a short body', async () => {
    await using made = await single();
    const { upstream, registry, name } = made;
    for (let round = 0; round < 5; round += 1) {
      await assert.rejects(registry.getManifest(name, parseTag('none')), { status: 404 });
    }
    assert.equal(upstream.connections, 1);
  });
});

describe('the only connection is free again', () => {
  const spoilt: [what: string, fault: Fault][] = [
    ['an error with a long body', () => longRefusal],
    ['an error of upstream’s', failing(500)],
    ['a 404', failing(404)],
    ['a 429', failing(429)],
    ['a wrong digest', wrongBytes],
    ['a body that was cut', cutAfter(100)],
    ['a manifest that is too large', on(/manifests/, headers({ 'Content-Length': '99999999' }))],
    ['no end of redirects', redirected('')],
    ['a redirect to what is no URL', redirected(() => 'http://[')],
    ['a web page', html()],
    ['an encoding', gzipped],
    ['an unknown encoding', headers({ 'Content-Encoding': 'x-unknown' })],
    ['a 206 that nobody asked for', async (_, next) => ({ ...(await next()), status: 206 })],
    ['a wrong Content-Range', headers({ 'Content-Range': 'bytes 7-9/10' })],
    ['no Content-Length', chunked],
    ['a range that was ignored', rangeIgnored],
    ['an unusable challenge', failing(401, { 'WWW-Authenticate': 'Digest x="y"' })],
  ];
  for (const [what, fault] of spoilt) {
    it(`after ${what}`, async () => {
      await using made = await single();
      const { upstream, registry, name, manifest, layer } = made;
      const calls: (() => Promise<unknown>)[] = [
        async () => await registry.getManifest(name, manifest.digest),
        async () => await registry.getManifest(name, tag),
        async () => await registry.resolveManifest(name, tag),
        async () => await registry.resolveBlob(name, layer.digest),
        async () => await pull(registry, name, layer),
        async () => await pull(registry, name, layer, { first: 5, last: 9 }),
        async () => await pull(registry, name, layer, { first: 400_000 }),
        async () => await registry.listTags(name),
        async () => await registry.listReferrers(name, manifest.digest),
      ];
      for (const call of calls) {
        upstream.faults.splice(0, 1, fault);
        await call().catch(() => undefined);
        upstream.faults.length = 0;
        made.rested();
        assert.equal((await registry.resolveManifest(name, tag)).digest, manifest.digest);
        assert.equal((await pull(registry, name, layer, { first: 1, last: 5 })).length, 5);
      }
    });
  }

  it('after a reader that was never read, one that was left in the middle, and one that was aborted', async () => {
    await using made = await single();
    const { registry, name, manifest, layer } = made;
    const unread = await registry.getBlob(name, layer.digest);
    await unread[Symbol.asyncDispose]();
    const left = await registry.getBlob(name, layer.digest);
    await left.body[Symbol.asyncIterator]().next();
    await left[Symbol.asyncDispose]();
    const client = new AbortController();
    const aborted = await registry.getBlob(name, layer.digest, { signal: client.signal });
    const body = aborted.body[Symbol.asyncIterator]();
    await body.next();
    client.abort(new Error('client is gone'));
    await assert.rejects(async () => {
      for (;;) if ((await body.next()).done) return;
    }, /client is gone/);
    assert.equal((await registry.resolveManifest(name, tag)).digest, manifest.digest);
  });

  it('after a list whose later page is broken', async () => {
    await using made = await single();
    const { upstream, registry, name, manifest } = made;
    upstream.faults.push(
      times(1, headers({ Link: '</v2/library/alpine/tags/list?last=v1>; rel="next"' })),
      on(
        'GET /v2/library/alpine/tags/',
        times(3, async ({ query }, next) =>
          query.includes('last=') ? await failing(403)({} as never, next) : await next(),
        ),
      ),
    );
    assert.equal((await registry.listTags(name)).cut, 'failed');
    assert.equal((await registry.resolveManifest(name, tag)).digest, manifest.digest);
  });
});
