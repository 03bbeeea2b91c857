import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { describe, it } from 'node:test';
import type { Log } from '#src/base/log.ts';
import { digestLike, sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseDigest, parseRegistryHost, parseTag } from '#src/oci/reference.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { RecordingObserver } from '#test/fakes/recording-observer.ts';
import { ask, codeOf, serveRegistry } from '#test/fakes/registry-server.ts';
import { cut, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const deep = repository('ghcr.io/a/b/c/d/e/f');

function filled() {
  const registry = new MemoryRegistry();
  const layer = bytes(5000);
  const image = putImage(registry, alpine, 'v1', [layer]);
  putImage(registry, alpine, 'V2.0-RC1', [bytes(10, 2)]);
  putImage(registry, deep, 'latest', [layer]);
  return { registry, layer, image, blob: `/v2/docker.io/library/alpine/blobs/${sha256(layer)}` };
}

async function* inTwo(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content.subarray(0, 100);
  yield content.subarray(100);
}

/** Without what differs from one answer to the next. */
function withoutMoment({
  date: _,
  'x-request-id': __,
  ...headers
}: IncomingHttpHeaders): IncomingHttpHeaders {
  return headers;
}

describe('a manifest', () => {
  it('is answered with its exact bytes, media type, digest and ETag, by tag and by digest', async () => {
    const { registry, image } = filled();
    await using server = await serveRegistry(registry);
    for (const reference of ['v1', image.manifest.digest]) {
      const path = `/v2/docker.io/library/alpine/manifests/${reference}`;
      const got = await ask(server, path);
      assert.equal(got.status, 200);
      assert.equal(got.headers['content-type'], ociManifest);
      assert.equal(got.headers['docker-content-digest'], image.manifest.digest);
      assert.equal(got.headers['etag'], `"${image.manifest.digest}"`);
      assert.equal(got.headers['content-length'], String(image.manifest.size));
      assert.equal(got.headers['docker-distribution-api-version'], 'registry/2.0');
      assert.equal(got.headers['oci-namespace'], 'docker.io');
      assert.equal(sha256(got.body), image.manifest.digest);
      const head = await ask(server, path, { method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.equal(head.body.length, 0);
      assert.deepEqual(withoutMoment(head.headers), withoutMoment(got.headers));
    }
  });

  it('keeps unknown media types, upper-case tags, deep names and sha512', async () => {
    const { registry } = filled();
    const body = Buffer.from('{"odd":true}');
    registry.putManifest(deep, parseTag('odd'), body, 'application/vnd.acme.odd+json');
    const sha512 = digestLike(parseDigest(`sha512:${'0'.repeat(128)}`), body);
    registry.putManifest(deep, sha512, body, 'application/vnd.acme.odd+json');
    await using server = await serveRegistry(registry);
    for (const reference of ['odd', sha512]) {
      const odd = await ask(server, `/v2/ghcr.io/a/b/c/d/e/f/manifests/${reference}`);
      assert.equal(odd.headers['content-type'], 'application/vnd.acme.odd+json');
      assert.deepEqual(odd.body, body);
    }
    assert.equal((await ask(server, '/v2/docker.io/alpine/manifests/V2.0-RC1')).status, 200);
    assert.equal((await ask(server, '/v2/docker.io/alpine/manifests/v2.0-rc1')).status, 404);
  });

  it('is not sent again to a client that has it', async () => {
    const { registry, image } = filled();
    await using server = await serveRegistry(registry);
    for (const method of ['GET', 'HEAD']) {
      const same = await ask(server, '/v2/docker.io/alpine/manifests/v1', {
        method,
        headers: { 'if-none-match': `"other", W/"${image.manifest.digest}"` },
      });
      assert.equal(same.status, 304);
      assert.equal(same.headers['etag'], `"${image.manifest.digest}"`);
      assert.equal(same.headers['content-length'], undefined);
    }
    const other = await ask(server, '/v2/docker.io/alpine/manifests/v1', {
      headers: { 'if-none-match': '"other"' },
    });
    assert.equal(other.status, 200);
  });
});

describe('a blob', () => {
  it('is answered whole, and described by HEAD', async () => {
    const { registry, layer, blob } = filled();
    await using server = await serveRegistry(registry);
    const got = await ask(server, blob);
    assert.equal(got.status, 200);
    assert.deepEqual(got.body, Buffer.from(layer));
    assert.equal(got.headers['content-type'], 'application/octet-stream');
    assert.equal(got.headers['accept-ranges'], 'bytes');
    assert.equal(got.headers['content-length'], '5000');
    const head = await ask(server, blob, { method: 'HEAD' });
    assert.equal(head.headers['content-length'], '5000');
    assert.equal(head.headers['docker-content-digest'], sha256(layer));
    const etag = { 'if-none-match': `"${sha256(layer)}"` };
    assert.equal((await ask(server, blob, { headers: etag })).status, 304);
  });

  const ranges: readonly [header: string, status: number, contentRange?: string][] = [
    ['bytes=500-1499', 206, 'bytes 500-1499/5000'],
    ['bytes=500-', 206, 'bytes 500-4999/5000'],
    ['bytes=0-', 206, 'bytes 0-4999/5000'],
    ['bytes=-500', 206, 'bytes 4500-4999/5000'],
    ['bytes=-9999', 206, 'bytes 0-4999/5000'],
    ['bytes=4000-9999', 206, 'bytes 4000-4999/5000'],
    ['bytes=4999-4999', 206, 'bytes 4999-4999/5000'],
    ['BYTES=0-0', 206, 'bytes 0-0/5000'],
    ['bytes=5000-', 416, 'bytes */5000'],
    ['bytes=500-0', 416, 'bytes */5000'],
    ['bytes=-0', 416, 'bytes */5000'],
    ['bytes=9000-9001,7000-', 416, 'bytes */5000'],
    ['items=0-1', 200],
    ['bytes=x-1', 200],
    ['bytes=', 200],
    ['bytes=1-2-3', 200],
    ['bytes=0-4999,0-4999', 200],
    [`bytes=${'0-0,'.repeat(100)}0-0`, 200],
  ];
  for (const [range, status, contentRange] of ranges) {
    it(`with Range: ${range.slice(0, 40)} is ${status} ${contentRange ?? 'whole'}`, async () => {
      const { registry, layer, blob } = filled();
      await using server = await serveRegistry(registry);
      const got = await ask(server, blob, { headers: { range } });
      assert.equal(got.status, status);
      assert.equal(got.headers['content-range'], contentRange);
      const [, first, last] = /bytes (\d+)-(\d+)/.exec(contentRange ?? '') ?? [];
      if (status === 416) assert.equal(codeOf(got), 'RANGE_INVALID');
      else {
        const part = layer.subarray(Number(first ?? 0), Number(last ?? 4999) + 1);
        assert.deepEqual(got.body, Buffer.from(part));
        assert.equal(got.headers['content-length'], String(part.length));
      }
    });
  }

  it('with several ranges is multipart/byteranges, without those that have no byte', async () => {
    const { registry, layer, blob } = filled();
    await using server = await serveRegistry(registry);
    const got = await ask(server, blob, { headers: { range: 'bytes=9000-9001, 10-19, -5, 100-109' } });
    assert.equal(got.status, 206);
    const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(got.headers['content-type'] ?? '')?.[1];
    assert.equal(got.headers['content-length'], String(got.body.length));
    const parts = got.body.toString('latin1').split(`\r\n--${boundary}`);
    assert.equal(parts.length, 5);
    assert.equal(parts[4], '--\r\n');
    const expected: [number, number][] = [
      [10, 19],
      [4995, 4999],
      [100, 109],
    ];
    for (const [index, [first, last]] of expected.entries()) {
      const [head, body] = (parts[index + 1] ?? '').split('\r\n\r\n', 2);
      assert.match(head ?? '', new RegExp(`Content-Range: bytes ${first}-${last}/5000`));
      assert.equal(body, Buffer.from(layer.subarray(first, last + 1)).toString('latin1'));
    }
  });

  it('with several ranges is read one after the other: none is held while the next is sent', async () => {
    const { registry, blob } = filled();
    const open = registry.getBlob.bind(registry);
    const held = new Set<object>();
    const heldBefore: number[] = [];
    registry.getBlob = async (...call) => {
      heldBefore.push(held.size);
      const reader = await open(...call);
      held.add(reader);
      return {
        ...reader,
        async [Symbol.asyncDispose]() {
          held.delete(reader);
        },
      };
    };
    await using server = await serveRegistry(registry);
    assert.equal((await ask(server, blob, { headers: { range: 'bytes=10-19, 0-4, 7-8' } })).isCut, false);
    assert.deepEqual(heldBefore, [0, 0, 0]);
    assert.equal(held.size, 0);
  });

  it('with several ranges is cut off when one of them cannot be had any more, but as part of the whole', async () => {
    const { registry, blob } = filled();
    const open = registry.getBlob.bind(registry);
    let opened = 0;
    registry.getBlob = async (name, digest, options) => {
      opened += 1;
      return await open(name, digest, opened === 1 ? options : {});
    };
    await using server = await serveRegistry(registry);
    const got = await ask(server, blob, { headers: { range: 'bytes=10-19, 100-2000' } });
    assert.equal(got.isCut, true);
    assert.ok(got.body.length < 500, 'other bytes were sent as those of the range');
  });

  for (const [word, wrong] of [
    ['shorter', -1],
    ['longer', 1],
  ] as const) {
    it(`is cut off rather than a byte ${word} than announced`, async () => {
      const { registry, layer, blob } = filled();
      const open = registry.getBlob.bind(registry);
      registry.getBlob = async (...call) => ({
        ...(await open(...call)),
        size: layer.length - wrong,
        body: inTwo(layer),
      });
      await using server = await serveRegistry(registry);
      const got = await ask(server, blob);
      assert.equal(got.isCut, true);
      assert.ok(got.body.length <= layer.length - wrong);
    });
  }

  it('is sent whole when If-Range names another version, in part when it names this one', async () => {
    const { registry, layer, blob } = filled();
    await using server = await serveRegistry(registry);
    const range = 'bytes=0-9';
    const other = await ask(server, blob, { headers: { range, 'if-range': '"other"' } });
    assert.equal(other.status, 200);
    const same = await ask(server, blob, { headers: { range, 'if-range': `"${sha256(layer)}"` } });
    assert.equal(same.status, 206);
  });

  it('whose transfer breaks is cut off, never ended', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(300_000));
    cache.upstream.body = (chunks) => cut(chunks, 100_000, new RegistryError('DENIED', 'no more'));
    await using server = await serveRegistry(cache.registry);
    const got = await ask(server, `/v2/docker.io/alpine/blobs/${digest}`);
    assert.equal(got.status, 200);
    assert.equal(got.headers['content-length'], '300000');
    assert.equal(got.isCut, true);
    assert.equal(got.body.length, 100_000);
  });

  it('with wrong bytes never reaches its end', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(300_000));
    cache.upstream.body = async function* (chunks) {
      for await (const chunk of chunks) yield Uint8Array.from(chunk, (byte) => byte ^ 1);
    };
    await using server = await serveRegistry(cache.registry);
    const got = await ask(server, `/v2/docker.io/alpine/blobs/${digest}`);
    assert.equal(got.isCut, true);
    assert.ok(got.body.length < 300_000);
  });
});

describe('lists', () => {
  it('of tags are paged by n and last, with a Link to the rest', async () => {
    const registry = new MemoryRegistry();
    for (const tag of ['c', 'a', 'e', 'b', 'd']) putImage(registry, alpine, tag, []);
    await using server = await serveRegistry(registry, { linkPrefix: '/cache' });
    const base = '/v2/library/alpine/tags/list?ns=docker.io';
    const names = async (query: string) => JSON.parse((await ask(server, `${base}${query}`)).body.toString());
    assert.deepEqual(await names(''), { name: 'library/alpine', tags: ['a', 'b', 'c', 'd', 'e'] });
    assert.deepEqual((await names('&n=2')).tags, ['a', 'b']);
    assert.deepEqual((await names('&last=b')).tags, ['c', 'd', 'e']);
    assert.deepEqual((await names('&n=0')).tags, []);
    const page = await ask(server, `${base}&n=2&last=a`);
    assert.deepEqual(JSON.parse(page.body.toString()).tags, ['b', 'c']);
    assert.equal(
      page.headers['link'],
      '</cache/v2/library/alpine/tags/list?ns=docker.io&n=2&last=c>; rel="next"',
    );
    assert.equal((await ask(server, `${base}&n=3&last=b`)).headers['link'], undefined);
    for (const n of ['-1', 'x', '1.5', '99999999999']) {
      const bad = await ask(server, `${base}&n=${n}`);
      assert.equal(bad.status, 400);
      assert.equal(codeOf(bad), 'PAGINATION_NUMBER_INVALID');
    }
    assert.equal((await ask(server, `${base}&last=${'x'.repeat(600)}`)).status, 400);
    assert.equal((await ask(server, '/v2/docker.io/none/tags/list')).status, 404);
  });

  it('of tags that end early say so, and go on behind the last one', async () => {
    const registry = new ScriptedRegistry(new MemoryRegistry());
    const tags = ['b', 'c', 'a'].map(parseTag);
    registry.tags = async () => ({ tags, hasMore: true, cut: 'failed' });
    registry.script = () => undefined;
    const log = new LogLines();
    const observer = new RecordingObserver();
    await using server = await serveRegistry(registry, { log, observer });
    const path = '/v2/docker.io/library/alpine/tags/list';
    const got = await ask(server, path);
    assert.equal(got.status, 200);
    assert.deepEqual(JSON.parse(got.body.toString()).tags, ['a', 'b', 'c']);
    assert.equal(got.headers['link'], `<${path}?last=a>; rel="next"`);
    assert.equal(got.headers['warning'], '299 - "incomplete: upstream failed before its end"');
    const page = await ask(server, `${path}?n=2`);
    assert.deepEqual(JSON.parse(page.body.toString()).tags, ['b', 'c']);
    assert.equal(page.headers['link'], `<${path}?n=2&last=c>; rel="next"`);
    assert.equal(page.headers['warning'], undefined);
    assert.deepEqual(registry.calls, [
      'LIST docker.io/library/alpine tags',
      'LIST docker.io/library/alpine tags n=2',
    ]);
    await observer.until(2);
    assert.deepEqual(
      observer.requests.map(({ isIncomplete }) => isIncomplete),
      [true, false],
    );
    assert.match(log.lines[0] ?? '', /incomplete: 'upstream failed before its end'/);
  });

  it('of referrers that end early say so', async () => {
    const { registry, image } = filled();
    const scripted = new ScriptedRegistry(registry);
    scripted.referrers = async (next) => ({ ...(await next()), cut: 'bounded' });
    await using server = await serveRegistry(scripted);
    const got = await ask(server, `/v2/docker.io/alpine/referrers/${image.manifest.digest}`);
    assert.equal(got.headers['warning'], '299 - "incomplete: it has more than one answer holds"');
  });

  it('that are stale and end early say both', async () => {
    const registry = new ScriptedRegistry(new MemoryRegistry());
    registry.listTags = async (_name, options) => {
      options?.report?.({ kind: 'stale', cause: 'upstream timed out' });
      return { tags: [parseTag('a')], hasMore: false, cut: 'failed' };
    };
    await using server = await serveRegistry(registry);
    const got = await ask(server, '/v2/docker.io/alpine/tags/list');
    assert.equal(
      got.headers['warning'],
      '299 - "stale: upstream timed out", 299 - "incomplete: upstream failed before its end"',
    );
    assert.equal(got.headers['link'], undefined);
  });

  it('of referrers are an index, empty for an unknown subject, filtered by artifact type', async () => {
    const { registry, image } = filled();
    const referrer = (artifactType: string) =>
      registry.putManifest(
        alpine,
        undefined,
        Buffer.from(
          JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, artifactType, subject: image.manifest }),
        ),
      );
    const sbom = referrer('application/x.sbom');
    referrer('application/x.signature');
    await using server = await serveRegistry(registry);
    const base = `/v2/docker.io/alpine/referrers/${image.manifest.digest}`;
    const all = await ask(server, base);
    assert.equal(all.headers['content-type'], ociIndex);
    assert.equal(all.headers['oci-filters-applied'], undefined);
    const index = JSON.parse(all.body.toString());
    assert.equal(index.mediaType, ociIndex);
    assert.equal(index.schemaVersion, 2);
    assert.equal(index.manifests.length, 2);
    const filtered = await ask(server, `${base}?artifactType=application%2Fx.sbom`);
    assert.equal(filtered.headers['oci-filters-applied'], 'artifactType');
    assert.deepEqual(
      JSON.parse(filtered.body.toString()).manifests.map(({ digest }: { digest: Digest }) => digest),
      [sbom.digest],
    );
    const none = await ask(server, `/v2/docker.io/alpine/referrers/${sha256(bytes(1))}`);
    assert.deepEqual(JSON.parse(none.body.toString()).manifests, []);
  });

  it('of repositories that are longer than one answer say so', async () => {
    const all = Array.from({ length: 10_001 }, (_, at) => repository(`docker.io/library/r${10_000 + at}`));
    await using server = await serveRegistry(new MemoryRegistry(), { catalog: all });
    for (const [query, warning] of [
      ['', '299 - "incomplete: it has more than one answer holds"'],
      ['?n=20000', '299 - "incomplete: it has more than one answer holds"'],
      ['?n=5', undefined],
    ] as const) {
      const got = await ask(server, `/v2/_catalog${query}`);
      assert.equal(got.headers['warning'], warning);
      assert.match(String(got.headers['link']), /rel="next"/);
    }
  });

  it('of repositories name what is cached, page by page', async () => {
    await using server = await serveRegistry(new MemoryRegistry(), { catalog: [alpine, deep] });
    const all = await ask(server, '/v2/_catalog');
    assert.deepEqual(JSON.parse(all.body.toString()), { repositories: [alpine, deep] });
    const page = await ask(server, '/v2/_catalog?n=1');
    assert.deepEqual(JSON.parse(page.body.toString()), { repositories: [alpine] });
    assert.equal(page.headers['link'], '</v2/_catalog?n=1&last=docker.io%2Flibrary%2Falpine>; rel="next"');
    const rest = await ask(server, `/v2/_catalog?n=1&last=${encodeURIComponent(alpine)}`);
    assert.deepEqual(JSON.parse(rest.body.toString()), { repositories: [deep] });
    assert.equal(rest.headers['link'], undefined);
  });
});

describe('a mistyped alias', () => {
  const target = {
    aliases: new Map([['internal', parseRegistryHost('registry.internal:5000')]]),
    defaultNs: parseRegistryHost('docker.io'),
    nearestAlias: (segment: string) => (segment.startsWith('inter') ? 'internal' : undefined),
  };
  const messageOf = async (path: string): Promise<string> => {
    await using server = await serveRegistry(new MemoryRegistry(), { target });
    return (await ask(server, path)).body.toString();
  };

  it('is named where the default registry, which was asked instead, has nothing of that name', async () => {
    for (const path of ['manifests/v1', 'tags/list', `blobs/${sha256(bytes(1))}`])
      assert.match(await messageOf(`/v2/interal/app/${path}`), /did you mean the alias \\"internal\\"\?/);
  });

  it('is not looked for where the registry was named', async () => {
    for (const path of [
      '/v2/interal/app/manifests/v1?ns=docker.io',
      '/v2/docker.io/interal/app/manifests/v1',
      '/v2/internal/app/manifests/v1',
      '/v2/library/app/manifests/v1',
      '/v2/interal/app/manifests/no:digest',
    ])
      assert.doesNotMatch(await messageOf(path), /did you mean/, path);
  });
});

describe('the edges of the API', () => {
  it('answers /v2/ and /v2, the root and login as clients and the original’s users expect', async () => {
    await using server = await serveRegistry(new MemoryRegistry());
    for (const path of ['/v2/', '/v2', '/v2/?x=1']) {
      const got = await ask(server, path);
      assert.equal(got.status, 200);
      assert.equal(got.body.toString(), '{}');
      assert.equal(got.headers['docker-distribution-api-version'], 'registry/2.0');
    }
    assert.equal((await ask(server, '/')).body.toString(), 'null');
    const authorization = 'Basic eDp5';
    const login = await ask(server, '/v2/auth', { headers: { authorization } });
    assert.deepEqual(JSON.parse(login.body.toString()), { token: 'FROBOZZ' });
    assert.equal((await ask(server, '/v2/auth')).status, 400);
    assert.equal((await ask(server, '/elsewhere')).status, 404);
  });

  it('refuses writes with 405, Allow and a closed connection', async () => {
    await using server = await serveRegistry(new MemoryRegistry());
    const writes: [string, string][] = [
      ['POST', '/v2/docker.io/x/y/blobs/uploads/'],
      ['PUT', '/v2/docker.io/x/y/manifests/v1'],
      ['PATCH', '/v2/docker.io/x/y/blobs/uploads/1'],
      ['DELETE', '/v2/docker.io/x/y/manifests/v1'],
      ['OPTIONS', '/v2/'],
      ['PROPFIND', '/v2/'],
    ];
    for (const [method, path] of writes) {
      const got = await ask(server, path, { method, ...(method[0] === 'P' && { body: 'x' }) });
      assert.equal(got.status, 405, method);
      assert.equal(got.headers['allow'], 'GET, HEAD');
      assert.equal(got.headers['connection'], 'close');
      assert.equal(codeOf(got), 'UNSUPPORTED');
    }
    assert.equal((await ask(server, '/v2/docker.io/x/y/blobs/uploads/1')).status, 404);
  });

  it('refuses a body on a read', async () => {
    const { registry } = filled();
    await using server = await serveRegistry(registry);
    // Without such a header Node's client sends a body that is the beginning of the next request.
    for (const [name, value] of [
      ['content-length', '1'],
      ['transfer-encoding', 'chunked'],
    ] as const) {
      const headers = { [name]: value };
      const got = await ask(server, '/v2/docker.io/alpine/manifests/v1', { headers, body: 'x' });
      assert.deepEqual([got.status, got.headers['connection']], [400, 'close']);
      assert.match(got.body.toString(), /a read takes no body/);
    }
    const empty = await ask(server, '/v2/docker.io/alpine/manifests/v1', {
      headers: { 'content-length': '0' },
    });
    assert.equal(empty.status, 200);
  });

  const digest = `sha256:${'a'.repeat(64)}`;
  const bad: readonly [path: string, status: number, code: string][] = [
    ['/v2/docker.io/x/../y/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2/../../etc/passwd', 404, 'NAME_UNKNOWN'],
    ['/v2/docker.io/%2e%2e/y/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2/docker.io/a%2fb/y/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2/docker.io/a%5cb/y/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2/docker.io/a%00b/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2/docker.io/a%zz/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2/docker.io/a%252fb/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2//x/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2/docker.io/UPPER/manifests/v1', 400, 'NAME_INVALID'],
    [`/v2/docker.io/${'a/'.repeat(200)}b/manifests/v1`, 400, 'NAME_INVALID'],
    [`/v2/docker.io/x/y/manifests/${'t'.repeat(129)}`, 400, 'MANIFEST_INVALID'],
    ['/v2/docker.io/x/y/manifests/.v1', 400, 'MANIFEST_INVALID'],
    ['/v2/docker.io/x/y/manifests/', 404, 'NAME_UNKNOWN'],
    ['/v2/docker.io/x/y/manifests/sha256:abc', 400, 'DIGEST_INVALID'],
    ['/v2/docker.io/x/y/blobs/sha256:baddigeststring', 400, 'DIGEST_INVALID'],
    [`/v2/docker.io/x/y/blobs/md5:${'a'.repeat(32)}`, 400, 'DIGEST_INVALID'],
    [`/v2/docker.io/x/y/blobs/sha256:${'A'.repeat(64)}`, 400, 'DIGEST_INVALID'],
    [`/v2/x/y/blobs/${digest}`, 400, 'NAME_INVALID'],
    [`/v2/x/y/blobs/${digest}?ns=%00`, 400, 'NAME_INVALID'],
    ['/v2/docker.io/x/y/referrers/v1', 400, 'DIGEST_INVALID'],
    ['/v2/nothing', 404, 'NAME_UNKNOWN'],
    ['/v2/docker.io/x/y/nothing/z', 404, 'NAME_UNKNOWN'],
  ];
  for (const [path, status, code] of bad) {
    it(`answers ${path.slice(0, 60)} with ${status} ${code} and a message`, async () => {
      await using server = await serveRegistry(new MemoryRegistry());
      const got = await ask(server, path);
      assert.equal(got.status, status);
      assert.equal(codeOf(got), code);
      assert.equal(got.headers['content-type'], 'application/json');
      const head = await ask(server, path, { method: 'HEAD' });
      assert.equal(head.status, status);
      assert.equal(head.body.length, 0);
      assert.equal(head.headers['content-length'], got.headers['content-length']);
    });
  }

  it('decodes escapes once', async () => {
    const { registry, layer } = filled();
    await using server = await serveRegistry(registry);
    const escaped = sha256(layer).replace(':', '%3A');
    assert.equal((await ask(server, `/v2/docker%2Eio/library/alpine/blobs/${escaped}`)).status, 200);
  });

  it('tells nothing of a bug but writes it to the log', async () => {
    const registry = new MemoryRegistry();
    registry.getManifest = async () => {
      throw new Error('the password is hunter2');
    };
    const errors: unknown[] = [];
    const log: Log = { debug() {}, info() {}, warn() {}, error: (fields) => errors.push(fields['err']) };
    await using server = await serveRegistry(registry, { log });
    const got = await ask(server, '/v2/docker.io/x/y/manifests/v1');
    assert.equal(got.status, 500);
    assert.equal(codeOf(got), 'UNKNOWN');
    assert.doesNotMatch(got.body.toString(), /hunter2/);
    assert.match(String(errors[0]), /hunter2/);
  });

  it('passes on what upstream refused, with its Retry-After', async () => {
    const registry = new MemoryRegistry();
    registry.getManifest = async () => {
      throw new RegistryError('TOOMANYREQUESTS', 'slowly', { headers: { 'Retry-After': '7' } });
    };
    await using server = await serveRegistry(registry);
    const got = await ask(server, '/v2/docker.io/x/y/manifests/v1');
    assert.equal(got.status, 429);
    assert.equal(got.headers['retry-after'], '7');
    assert.equal(got.headers['etag'], undefined);
  });

  it('says in Cache-Status how an answer came about', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: () => 60_000 } });
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await using server = await serveRegistry(cache.registry);
    const status = async () => {
      const { headers } = await ask(server, '/v2/docker.io/alpine/manifests/v1', { method: 'HEAD' });
      return [headers['cache-status'], headers['warning']];
    };
    assert.deepEqual(await status(), ['ociregistry; fwd=miss', undefined]);
    await ask(server, '/v2/docker.io/alpine/manifests/v1');
    assert.deepEqual(await status(), ['ociregistry; hit', undefined]);
    await cache.clock.advance(60_001);
    assert.deepEqual(await status(), ['ociregistry; fwd=stale; detail=revalidated', undefined]);
    await cache.clock.advance(60_001);
    cache.upstream.script = () => {
      throw new RegistryError('UNAVAILABLE');
    };
    assert.deepEqual(await status(), [
      'ociregistry; hit; detail="stale: upstream unavailable"',
      '299 - "stale: upstream unavailable"',
    ]);
  });

  it('writes one line for each request', async () => {
    const { registry } = filled();
    const lines: [string, Record<string, unknown>][] = [];
    const write = (level: string) => (fields: Record<string, unknown>, message: string) => {
      if (message === 'request') lines.push([level, fields]);
    };
    const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
    await using server = await serveRegistry(registry, { log });
    const headers = { 'user-agent': `containerd/2.2 ${'x'.repeat(400)}` };
    const { body, headers: answered } = await ask(server, '/v2/docker.io/alpine/manifests/v1', { headers });
    await ask(server, '/v2/docker.io/alpine/manifests/none');
    await ask(server, '/v2/docker.io/alpine/manifests/no:tag');
    await server.drain(1000);
    const [[level, line] = [], [missLevel, miss] = [], [badLevel] = []] = lines;
    assert.equal(lines.length, 3);
    assert.equal(level, 'info');
    const { ms, client, id, agent, ...rest } = line ?? {};
    assert.equal(id, answered['x-request-id']);
    assert.match(String(agent), /^containerd\/2\.2 x{185}$/);
    assert.equal(typeof ms, 'number');
    assert.equal(client, '127.0.0.1');
    assert.deepEqual(rest, {
      method: 'GET',
      url: '/v2/docker.io/alpine/manifests/v1',
      status: 200,
      upstream: 'docker.io',
      cache: undefined,
      bytes: body.length,
    });
    assert.deepEqual([missLevel, badLevel], ['info', 'warn']);
    assert.equal(miss?.['agent'], undefined);
    assert.equal(miss?.['failure'], 'MANIFEST_UNKNOWN: manifest unknown to registry');
  });

  it('is known by an id, which is another for each', async () => {
    await using server = await serveRegistry(new MemoryRegistry());
    const ids = [];
    for (const path of ['/v2/', '/v2/', '/elsewhere', '/v2/%zz'])
      ids.push(String((await ask(server, path)).headers['x-request-id']));
    for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-z]+$/);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('keeps the id that a client gave it, if that is short and plain', async () => {
    await using server = await serveRegistry(new MemoryRegistry());
    const idFor = async (given: string): Promise<unknown> =>
      (await ask(server, '/v2/', { headers: { 'x-request-id': given } })).headers['x-request-id'];
    for (const given of ['7f3a-1', '0af7651916cd43dd8448eb211c80319c', 'Root=1-67891233-abc', 'x'.repeat(64)])
      assert.equal(await idFor(given), given);
    for (const given of ['x'.repeat(65), 'a b', 'a,b', '"quoted"', '{"level":"error"}', 'é', ''])
      assert.match(String(await idFor(given)), /^[0-9a-f]{8}-/, given);
  });

  it('that is answered stale is named where the log says why', async () => {
    const log = new LogLines();
    await using cache = new CacheUnderTest({ policy: { freshness: () => 'always' }, log });
    putImage(cache.content, alpine, 'v1', []);
    await using server = await serveRegistry(cache.registry);
    const path = '/v2/docker.io/alpine/manifests/v1';
    await ask(server, path);
    await cache.settle();
    cache.upstream.script = () => {
      throw new RegistryError('UNAVAILABLE');
    };
    await ask(server, path, { headers: { 'x-request-id': 'night-1' } });
    assert.match(log.lines.join('\n'), /serving a stale tag.*request: 'night-1'/s);
  });
});

describe('the root', () => {
  it('is null to a program, and a page without anything active to a browser', async () => {
    await using server = await serveRegistry(new MemoryRegistry());
    for (const accept of ['*/*', 'application/json', 'text/html;q=0, */*', 'x/text/html']) {
      const { body, headers } = await ask(server, '/', { headers: { accept } });
      assert.equal(body.toString(), 'null', accept);
      assert.equal(headers['content-type'], 'application/json');
    }
    const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
    const { body, headers, status } = await ask(server, '/', { headers: { accept: browser } });
    const text = body.toString();
    assert.deepEqual([status, headers['vary']], [200, 'Accept']);
    assert.match(String(headers['content-type']), /^text\/html; charset=utf-8$/);
    assert.match(
      String(headers['content-security-policy']),
      /^default-src 'none'; style-src 'sha256-[^']+'; /,
    );
    assert.doesNotMatch(text, /<script|<link|<img|src=|http-equiv| on\w+=/);
    assert.ok(text.includes('pull-through cache') && body.length < 8192);
  });
});
