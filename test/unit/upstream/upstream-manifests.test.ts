import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Claim } from '#src/base/claim.ts';
import { Room } from '#src/base/room.ts';
import { sha256 } from '#src/oci/digest.ts';
import { parseManifest } from '#src/oci/manifest.ts';
import { acceptedManifests, dockerManifest, ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseDigest, parseTag } from '#src/oci/reference.ts';
import type { Manifest } from '#src/oci/registry.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { content } from '#test/fakes/upstream-answers.ts';
import {
  chunked,
  delayed,
  failing,
  gzipped,
  headers,
  html,
  on,
  times,
  wrongBytes,
} from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const tag = parseTag('v1');
/** Its spacing would not survive being parsed and written again. */
const manifest = Buffer.from(
  `{ "schemaVersion":2,\n "mediaType": "${ociManifest}","config":null,"layers":[ ] }\n`,
);
const digest = sha256(manifest);
const descriptor = { mediaType: ociManifest, digest, size: manifest.length };
const given = { descriptor, bytes: manifest, content: parseManifest(manifest, ociManifest) };
const path = '/v2/library/alpine/manifests';
const announcing = { 'Docker-Content-Digest': digest };

async function start() {
  const made = await UpstreamUnderTest.start();
  made.upstream.content.putManifest(made.name, tag, manifest, ociManifest);
  return made;
}

describe('a manifest', () => {
  for (const reference of [tag, digest]) {
    it(`by ${reference === tag ? 'tag' : 'digest'} comes as the very bytes and media type that upstream has`, async () => {
      await using made = await start();
      const got = await made.registry.getManifest(made.name, reference);
      assert.deepEqual(got, given);
      assert.deepEqual(await made.registry.resolveManifest(made.name, reference), descriptor);
      assert.deepEqual(made.upstream.calls, [`GET ${path}/${reference}`, `HEAD ${path}/${reference}`]);
    });
  }

  it('is asked for by all types that are known, in no encoding, by name', async () => {
    await using made = await start();
    await made.registry.getManifest(made.name, tag);
    await made.registry.resolveManifest(made.name, tag);
    for (const { headers: sent } of made.upstream.requests) {
      assert.equal(sent.accept, acceptedManifests);
      assert.equal(sent['accept-encoding'], 'identity');
      assert.equal(sent['user-agent'], 'ociregistry/test');
    }
  });

  it('by sha512 digest is what hashes to it, whatever digest upstream announces', async () => {
    await using made = await start();
    const long = parseDigest(`sha512:${createHash('sha512').update(manifest).digest('hex')}`);
    made.upstream.content.putManifest(made.name, long, manifest, ociManifest);
    const want = { ...descriptor, digest: long };
    for (const announced of [long, digest]) {
      made.spoil(headers({ 'Docker-Content-Digest': announced }));
      assert.deepEqual((await made.registry.getManifest(made.name, long)).descriptor, want);
      assert.deepEqual(await made.registry.resolveManifest(made.name, long), want);
    }
    made.spoil(wrongBytes);
    await assert.rejects(made.registry.getManifest(made.name, long), { code: 'UNAVAILABLE', status: 502 });
  });

  it('by digest is refused when it is another', async () => {
    await using made = await start();
    made.spoil(() => content('{}', ociManifest));
    await assert.rejects(made.registry.getManifest(made.name, digest), {
      code: 'UNAVAILABLE',
      status: 502,
      message: new RegExp(`wrong manifest: want ${digest}`),
    });
  });

  it('by tag has the digest of its bytes; a header that says otherwise is reported and ignored', async () => {
    await using made = await start();
    const other = sha256(Buffer.from('other'));
    made.spoil(headers({ 'Docker-Content-Digest': other }));
    const got = await made.registry.getManifest(made.name, tag);
    assert.deepEqual(got, { ...given, contradicts: other });
    assert.deepEqual(made.upstream.calls, [`GET ${path}/v1`, `GET ${path}/${other}`]);
    assert.deepEqual(made.oddities, ['upstream announced a wrong digest']);
    made.spoil(headers({ 'Docker-Content-Digest': 'sha256:nonsense' }));
    assert.deepEqual(await made.registry.getManifest(made.name, tag), given);
  });

  it('by tag is not taken for what contradicts itself where it is our memory that has no room for the other', async () => {
    await using made = await start();
    const other = sha256(Buffer.from('other'));
    const clock = new FakeClock();
    const room = new Room({ clock, most: 0, mostOfOne: 0 });
    room.force('x', 1);
    const large = `{"x":"${'x'.repeat(100_000)}"}`;
    made.spoil(
      on(/v1$/, headers({ 'Docker-Content-Digest': other })),
      on(/sha256/, () => content(large, ociManifest)),
    );
    const getting = made.registry.getManifest(made.name, tag, { room: new Claim('a', room) });
    const refused = assert.rejects(getting, { code: 'UNAVAILABLE', status: 503 });
    while (room.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(10_000);
    await refused;
  });

  it('by tag whose bytes are not those of the announced digest is asked for by that digest', async () => {
    await using made = await start();
    for (const body of ['{"schemaVersion":2,"layers":[]}', '<!doctype html>', manifest.subarray(1)]) {
      made.upstream.requests.splice(0);
      const wrong = content(body, ociManifest, { 'Docker-Content-Digest': digest });
      made.spoil(on(`GET ${path}/v1`, () => wrong));
      assert.deepEqual(await made.registry.getManifest(made.name, tag), given);
      assert.deepEqual(made.upstream.calls, [`GET ${path}/v1`, `GET ${path}/${digest}`]);
    }
  });

  it('by tag is what it is announced as where the bytes hash to it, also by sha512, to HEAD and to GET', async () => {
    await using made = await start();
    const long = parseDigest(`sha512:${createHash('sha512').update(manifest).digest('hex')}`);
    made.spoil(headers({ 'Docker-Content-Digest': long }));
    const want = { ...descriptor, digest: long };
    assert.deepEqual(await made.registry.resolveManifest(made.name, tag), want);
    assert.deepEqual((await made.registry.getManifest(made.name, tag)).descriptor, want);
    assert.deepEqual(made.upstream.calls, [`HEAD ${path}/v1`, `GET ${path}/v1`]);
  });

  const refused: [what: string, body: string | Buffer][] = [
    ['no JSON', 'hello'],
    ['no JSON object', '[]'],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['both an image and an index (CVE-2021-41190)', '{"layers":[],"manifests":[]}'],
    ['a web page', '<!doctype html>'],
  ];
  for (const [what, body] of refused) {
    it(`that is ${what} is refused with 502`, async () => {
      await using made = await start();
      made.spoil(() => content(body, 'text/plain'));
      const bad = { code: 'UNAVAILABLE', status: 502 };
      await assert.rejects(made.registry.getManifest(made.name, tag), bad);
      await assert.rejects(made.registry.getManifest(made.name, sha256(Buffer.from(body))), bad);
      await assert.rejects(made.registry.resolveManifest(made.name, tag), bad);
    });
  }

  for (const [what, body, type] of [
    [
      'says so',
      '{"schemaVersion":1,"signatures":[]}',
      'application/vnd.docker.distribution.manifest.v1+prettyjws',
    ],
    ['shows', '{"schemaVersion":1,"signatures":[]}', 'text/plain'],
  ] as const) {
    it(`that ${what} to be schema 1 is refused with 415: it is no outage`, async () => {
      await using made = await start();
      made.spoil(() => content(body, type));
      const unsupported = { code: 'UNSUPPORTED', status: 415, message: /schema 1 only/ };
      for (let time = 0; time < 4; time += 1) {
        await assert.rejects(made.registry.getManifest(made.name, tag), unsupported);
        await assert.rejects(made.registry.resolveManifest(made.name, tag), unsupported);
      }
      // Each time a GET, and the HEAD and the GET after it: nothing is tried again, nothing is given a rest.
      assert.equal(made.upstream.requests.length, 12);
      assert.deepEqual(made.oddities, []);
    });
  }

  it('of more than 4 MiB is refused, whether its length is announced or not', async () => {
    await using made = await start();
    const huge = content(`{"x":"${'x'.repeat(4 * 1024 * 1024)}"}`, ociManifest);
    for (const faults of [[() => huge], [chunked, () => huge]]) {
      made.spoil(...faults);
      for (let time = 0; time < 4; time += 1) {
        await assert.rejects(made.registry.getManifest(made.name, tag), {
          code: 'MANIFEST_INVALID',
          status: 413,
          message: /manifest too large/,
        });
      }
    }
    assert.equal(made.upstream.requests.length, 8);
    assert.deepEqual(made.oddities, []);
  });

  it('takes its media type from the header, and from its bytes where that is vague', async () => {
    await using made = await start();
    const index = '{"schemaVersion":2,"manifests":[]}';
    const cases: [body: string | Buffer, type: string, want: string][] = [
      [manifest, `${dockerManifest}; charset=utf-8`, dockerManifest],
      [manifest, 'text/plain', ociManifest],
      [manifest, 'application/json', ociManifest],
      [index, 'application/octet-stream', ociIndex],
    ];
    for (const [body, type, want] of cases) {
      made.spoil(() => content(body, type));
      assert.equal((await made.registry.getManifest(made.name, tag)).descriptor.mediaType, want);
      assert.equal((await made.registry.resolveManifest(made.name, tag)).mediaType, want);
    }
  });

  it('by tag is none where neither header nor bytes say what it is', async () => {
    await using made = await start();
    for (const [body, type] of [
      ['{"mediaType":"text/html","x":"<script>"}', 'text/plain'],
      ['{"errors":[{"code":"DENIED"}]}', 'application/json'],
      ['{"x":"<script>"}', 'text/html'],
      ['{}', 'application/octet-stream'],
    ] as const) {
      made.spoil(() => content(body, type));
      const want = { code: 'UNAVAILABLE', message: 'upstream sent JSON that is no manifest' };
      await assert.rejects(made.registry.getManifest(made.name, tag), want);
      await assert.rejects(made.registry.resolveManifest(made.name, tag), want);
    }
  });

  it('that is none by its bytes is 502 and says that upstream sent it, however large it is', async () => {
    await using made = await start();
    for (const [body, fault] of [
      ['<html>', 'a manifest that is not JSON'],
      ['x'.repeat(100_000), 'a manifest that is not JSON'],
      ['[]', 'a manifest that is not a JSON object'],
      ['{"layers":[],"manifests":[]}', 'an ambiguous manifest: both "layers" and "manifests"'],
      ['['.repeat(100_000), 'a manifest that nests too deep'],
    ] as const) {
      made.spoil(() => content(body, ociManifest));
      await assert.rejects(made.registry.getManifest(made.name, tag), {
        name: 'RegistryError',
        code: 'UNAVAILABLE',
        status: 502,
        message: `upstream sent ${fault}`,
      });
    }
  });

  it('that is compressed, though nobody asked for that, is unpacked', async () => {
    await using made = await start();
    made.spoil(gzipped);
    for (const reference of [tag, digest]) {
      assert.deepEqual(await made.registry.getManifest(made.name, reference), given);
      assert.deepEqual(await made.registry.resolveManifest(made.name, reference), descriptor);
    }
  });

  it('that is merely called compressed is taken as it is', async () => {
    await using made = await start();
    made.spoil(headers({ 'Content-Encoding': 'gzip' }));
    assert.deepEqual((await made.registry.getManifest(made.name, digest)).bytes, manifest);
    assert.deepEqual((await made.registry.getManifest(made.name, tag)).bytes, manifest);
    for (const encoding of ['gzip', 'constructor']) {
      made.spoil(headers({ 'Content-Encoding': encoding, 'Docker-Content-Digest': undefined }));
      assert.deepEqual(await made.registry.getManifest(made.name, tag), given);
    }
  });

  it('that is merely called compressed, and by a wrong digest, is taken for what it is', async () => {
    await using made = await start();
    const announced = sha256(Buffer.from('another'));
    made.spoil(headers({ 'Content-Encoding': 'gzip', 'Docker-Content-Digest': announced }));
    const got = await made.registry.getManifest(made.name, tag);
    assert.deepEqual([got.bytes, got.contradicts], [manifest, announced]);
    assert.deepEqual(made.upstream.calls, [`GET ${path}/v1`, `GET ${path}/${announced}`]);
  });

  it('that unpacks to more than 4 MiB, or is packed in an unknown way, is refused', async () => {
    await using made = await start();
    made.spoil(gzipped, () => content(`{"x":"${'x'.repeat(5 * 1024 * 1024)}"}`, ociManifest));
    await assert.rejects(made.registry.getManifest(made.name, tag), { code: 'UNAVAILABLE' });
    const packed = { 'Content-Type': ociManifest, 'Content-Encoding': 'unknown' };
    made.spoil(() => ({ status: 200, headers: packed, body: [gzipSync(manifest)] }));
    await assert.rejects(made.registry.getManifest(made.name, tag), { code: 'UNAVAILABLE' });
  });
});

describe('a HEAD for a manifest', () => {
  for (const [what, fault] of [
    ['no digest', headers({ 'Docker-Content-Digest': undefined })],
    ['no length', chunked],
    ['a length of 0', headers({ 'Content-Length': '0' })],
    ['a vague type', headers({ 'Content-Type': 'text/plain' })],
    ['no type', headers({ 'Content-Type': undefined })],
    ['an encoding', headers({ 'Content-Encoding': 'gzip' })],
  ] as const) {
    it(`that is answered with ${what} becomes a GET`, async () => {
      await using made = await start();
      made.spoil(on('HEAD', fault));
      const taken: Manifest[] = [];
      const take = (came: Manifest) => void taken.push(came);
      assert.deepEqual(await made.registry.resolveManifest(made.name, tag, { take }), descriptor);
      assert.deepEqual(taken, [given]);
      assert.deepEqual(made.upstream.calls, [`HEAD ${path}/v1`, `GET ${path}/v1`]);
    });
  }

  it('that says all is one request, and nothing is read', async () => {
    await using made = await start();
    const take = () => assert.fail('nothing was read');
    assert.deepEqual(await made.registry.resolveManifest(made.name, tag, { take }), descriptor);
    assert.deepEqual(made.upstream.calls, [`HEAD ${path}/v1`]);
  });

  it('of a manifest that is too large to be read fails as its GET does', async () => {
    await using made = await start();
    made.spoil(() => content(`{"x":"${'x'.repeat(5 * 1024 * 1024)}"}`, ociManifest, announcing));
    await assert.rejects(made.registry.resolveManifest(made.name, tag), { message: /manifest too large/ });
  });

  it('by digest that announces another digest becomes a GET', async () => {
    await using made = await start();
    made.spoil(on('HEAD', headers({ 'Docker-Content-Digest': sha256(Buffer.from('other')) })));
    assert.deepEqual(await made.registry.resolveManifest(made.name, digest), descriptor);
    assert.equal(made.upstream.calls.length, 2);
  });

  for (const status of [405, 501]) {
    it(`that is refused by ${status} becomes a GET, and later ones too for an hour`, async () => {
      const clock = new FakeClock();
      await using made = await UpstreamUnderTest.start({ clock });
      made.upstream.content.putManifest(made.name, tag, manifest, ociManifest);
      made.spoil(on('HEAD', failing(status)));
      for (let call = 0; call < 2; call += 1) await made.registry.resolveManifest(made.name, tag);
      assert.deepEqual(made.upstream.calls, [`HEAD ${path}/v1`, `GET ${path}/v1`, `GET ${path}/v1`]);
      await clock.advance(3_600_000);
      await made.registry.resolveManifest(made.name, tag);
      assert.deepEqual(made.upstream.calls.slice(3), [`HEAD ${path}/v1`, `GET ${path}/v1`]);
    });
  }

  for (const status of [400, 401, 403, 404, 410]) {
    it(`that is refused by ${status} becomes a GET this once: a GET may count as a pull`, async () => {
      await using made = await start();
      made.spoil(on('HEAD', times(1, failing(status))));
      for (let call = 0; call < 2; call += 1) await made.registry.resolveManifest(made.name, tag);
      assert.deepEqual(made.upstream.calls, [`HEAD ${path}/v1`, `GET ${path}/v1`, `HEAD ${path}/v1`]);
    });
  }

  it('that is refused as the GET is gives upstream’s reason, and is not remembered', async () => {
    await using made = await start();
    made.spoil(times(2, failing(403, {}, 'DENIED')));
    await assert.rejects(made.registry.resolveManifest(made.name, tag), {
      code: 'DENIED',
      message: /answered 403, without credentials: fault 403/,
    });
    await made.registry.resolveManifest(made.name, tag);
    assert.deepEqual(made.upstream.calls.slice(2), [`HEAD ${path}/v1`]);
  });

  it('that is refused for its credential is an answer: a GET would be sent without', async () => {
    await using made = await start();
    made.spoil(failing(401, { 'WWW-Authenticate': 'Basic realm="fake"' }));
    await assert.rejects(made.registry.resolveManifest(made.name, tag), { code: 'DENIED' });
    assert.ok(made.upstream.calls.every((call) => call.startsWith('HEAD')));
  });

  it('that finds nothing is an answer once a GET finds nothing either', async () => {
    await using made = await start();
    await assert.rejects(made.registry.resolveManifest(made.name, parseTag('none')), {
      code: 'MANIFEST_UNKNOWN',
      status: 404,
    });
    assert.deepEqual(made.upstream.calls, [`HEAD ${path}/none`, `GET ${path}/none`]);
    assert.deepEqual(made.oddities, []);
  });

  it('that finds nothing says nothing where the GET cannot be asked', async () => {
    await using made = await start();
    made.spoil(on('HEAD', failing(404)), on('GET', failing(429)));
    await assert.rejects(made.registry.resolveManifest(made.name, tag), { code: 'TOOMANYREQUESTS' });
  });

  it('that finds nothing of what is there is said to be odd once an hour, and HEADs are still tried first', async () => {
    const clock = new FakeClock();
    const oddities: string[] = [];
    await using made = await UpstreamUnderTest.start({ clock, onOddity: (odd) => void oddities.push(odd) });
    made.upstream.content.putManifest(made.name, tag, manifest, ociManifest);
    made.spoil(on('HEAD', failing(404)));
    for (const passed of [0, 1000, 3_600_000]) {
      await clock.advance(passed);
      assert.deepEqual(await made.registry.resolveManifest(made.name, tag), descriptor);
    }
    const both = [`HEAD ${path}/v1`, `GET ${path}/v1`];
    assert.deepEqual(made.upstream.calls, [...both, ...both, ...both]);
    assert.equal(oddities.length, 2);
  });
});

describe('a manifest that does not come', () => {
  it('ends the waiting of whoever asked when their signal says so', async () => {
    await using made = await start();
    const reached = Promise.withResolvers<void>();
    made.spoil(
      delayed(async () => {
        reached.resolve();
        await new Promise(() => {});
      }),
    );
    const client = new AbortController();
    const asking = assert.rejects(
      made.registry.getManifest(made.name, tag, { signal: client.signal }),
      /client is gone/,
    );
    await reached.promise;
    client.abort(new Error('client is gone'));
    await asking;
  });

  it('in the form of a web page is no manifest', async () => {
    await using made = await start();
    made.spoil(html());
    await assert.rejects(made.registry.getManifest(made.name, tag), { status: 502 });
    made.spoil(html(404));
    await assert.rejects(made.registry.getManifest(made.name, tag), {
      code: 'MANIFEST_UNKNOWN',
      status: 404,
    });
  });
});
