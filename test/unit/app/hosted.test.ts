import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { App } from '#src/app/app.ts';
import { digestLike, sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseDigest } from '#src/oci/reference.ts';
import { codeOf, HostedClient, locationOf } from '#test/fakes/hosted-client.ts';
import { bytes } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const open = [{ repositories: ['test/**', 'test'], open: true, immutableTags: ['v*'] }];
const layer = bytes(300_000, 1);

interface Hosted extends AsyncDisposable {
  readonly app: App;
  readonly client: HostedClient;
  readonly path: string;
  readonly log: LogLines;
  of(repository: string): HostedClient;
  /** Paths of files below these folders of the directory. */
  files(...folders: readonly string[]): Promise<string[]>;
}

/** A server that holds `test/app`, in a directory that goes with it. */
async function hosted(settings: object = {}, path?: string): Promise<Hosted> {
  await using stack = new AsyncDisposableStack();
  const directory = path ?? stack.use(await temporaryDirectory()).path;
  const log = new LogLines();
  const app = stack.use(await runApp({ imagePath: directory, hosted: open, ...settings }, { log }));
  const moved = stack.move();
  return {
    ...{ app, path: directory, log },
    client: new HostedClient(app.server.url, 'test/app'),
    of: (repository) => new HostedClient(app.server.url, repository),
    files: async (...folders) => {
      const found = folders.map(
        async (folder) => await readdir(join(directory, 'v1', folder)).catch(() => []),
      );
      return (await Promise.all(found)).flat().filter((name) => !name.startsWith('owner.'));
    },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

/** Sends the head of a PATCH and some bytes, and then nothing more, until it is let go. */
async function begunPatch(url: string, location: string, bytesSent: Uint8Array, length: number) {
  const request = httpRequest(new URL(location, url), {
    method: 'PATCH',
    headers: { 'Content-Length': length },
  });
  request.on('error', () => {});
  await new Promise<void>((resolve) => request.write(bytesSent, () => resolve()));
  return request;
}

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUpAt, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('an image that is pushed', () => {
  it('is pulled by tag and by digest, byte for byte, with all that it names', async () => {
    await using server = await hosted();
    const { client } = server;
    const { digest, bytes: sent, blobs } = await client.pushImage('7.0.0', [layer]);
    for (const reference of ['7.0.0', digest]) {
      const got = await client.call('GET', `manifests/${reference}`);
      assert.equal(got.status, 200);
      assert.equal(got.headers.get('content-type'), ociManifest);
      assert.equal(got.headers.get('docker-content-digest'), digest);
      assert.equal(got.headers.get('oci-namespace'), null);
      assert.deepEqual(Buffer.from(await got.arrayBuffer()), sent);
    }
    for (const blob of blobs) {
      const got = Buffer.from(await (await client.call('GET', `blobs/${blob}`)).arrayBuffer());
      assert.equal(sha256(got), blob);
    }
    assert.deepEqual(await client.json('tags/list'), { name: 'test/app', tags: ['7.0.0'] });
  });

  it('is there at once when its tag moves, and gone at once when that is deleted', async () => {
    await using server = await hosted();
    const { client } = server;
    const first = await client.pushImage('latest', [layer]);
    assert.equal(await client.status('GET', 'manifests/latest'), 200);
    assert.equal(await client.status('GET', 'manifests/latest'), 200);
    const second = await client.pushImage('latest', [bytes(70_000, 2)]);
    const moved = await client.call('GET', 'manifests/latest');
    assert.equal(moved.headers.get('docker-content-digest'), second.digest);
    assert.equal(await client.status('DELETE', 'manifests/latest'), 202);
    assert.equal(await client.status('GET', 'manifests/latest'), 404);
    assert.equal(await client.status('GET', `manifests/${second.digest}`), 200);
    assert.equal(await client.status('DELETE', `manifests/${second.digest}`), 202);
    assert.equal(await client.status('GET', `manifests/${second.digest}`), 404);
    assert.equal(await client.status('GET', `manifests/${first.digest}`), 200);
  });

  it('has no tags any more when it is deleted by digest, nor when it comes again', async () => {
    await using server = await hosted();
    const { client } = server;
    const { digest, bytes: sent } = await client.pushImage('one', [layer]);
    assert.equal((await client.putManifest('two', sent)).status, 201);
    for (const tag of ['one', 'two']) assert.equal(await client.status('GET', `manifests/${tag}`), 200);
    assert.equal(await client.status('DELETE', `manifests/${digest}`), 202);
    assert.equal((await client.putManifest(digest, sent)).status, 201);
    for (const tag of ['one', 'two']) assert.equal(await client.status('GET', `manifests/${tag}`), 404);
    assert.equal(await client.status('GET', `manifests/${digest}`), 200);
  });

  it('is known by its own name in the catalogue, in the log and in lists of the administration', async () => {
    await using server = await hosted();
    await server.client.pushImage('7.0.0', [layer]);
    await server.of('test/app').status('GET', 'manifests/nothing');
    assert.deepEqual(await server.client.json('/v2/_catalog'), { repositories: ['test/app'] });
    const list = await (await fetch(`${server.app.server.url}/cmd/manifest/list`)).text();
    assert.match(list, /^test\/app:7\.0\.0 /m);
    assert.doesNotMatch(list, /hosted\.invalid/);
  });

  it('is served by sha512 too, and tagged by the request that names its digest', async () => {
    await using server = await hosted();
    const { client } = server;
    const { bytes: sent } = await client.made([layer]);
    const digest = digestLike(parseDigest(`sha512:${'0'.repeat(128)}`), sent);
    const put = await client.putManifest(`${digest}?tag=a&tag=b`, sent);
    assert.equal(put.status, 201);
    assert.equal(put.headers.get('oci-tag'), 'a, b');
    for (const reference of ['a', 'b', digest]) {
      const got = await client.call('GET', `manifests/${reference}`);
      assert.equal(got.headers.get('docker-content-digest'), digest);
      assert.deepEqual(Buffer.from(await got.arrayBuffer()), sent);
    }
  });

  it('keeps its media type, whatever that is', async () => {
    await using server = await hosted();
    const { client } = server;
    const odd = Buffer.from('{"odd":true}');
    assert.equal((await client.putManifest('odd', odd, 'application/vnd.acme.odd+json')).status, 201);
    const got = await client.call('GET', 'manifests/odd');
    assert.equal(got.headers.get('content-type'), 'application/vnd.acme.odd+json');
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), odd);
  });

  it('is there after a restart, and so is what refers to it', async () => {
    await using directory = await temporaryDirectory();
    let subject = '';
    {
      await using server = await hosted({}, directory.path);
      const image = await server.client.pushImage('7.0.0', [layer]);
      subject = image.digest;
      const refers = { subject: { mediaType: ociManifest, digest: subject, size: image.bytes.length } };
      const signature = await server.client.made([bytes(10, 3)], {
        artifactType: 'application/x.sig',
        ...refers,
      });
      const put = await server.client.putManifest(signature.digest, signature.bytes);
      assert.equal(put.headers.get('oci-subject'), subject);
    }
    await using server = await hosted({}, directory.path);
    assert.equal(await server.client.status('GET', 'manifests/7.0.0'), 200);
    const { manifests } = (await server.client.json(`referrers/${subject}`)) as {
      manifests: { artifactType: string }[];
    };
    assert.deepEqual(
      manifests.map(({ artifactType }) => artifactType),
      ['application/x.sig'],
    );
  });
});

describe('an upload', () => {
  it('takes chunks in order, says how much it has, and refuses what does not follow', async () => {
    await using server = await hosted();
    const { client } = server;
    const location = await client.begin();
    const first = await client.patch(location, layer.subarray(0, 100_000), 0);
    assert.equal(first.status, 202);
    assert.equal(first.headers.get('range'), '0-99999');
    for (const at of [0, 50_000, 200_000]) {
      const refused = await client.patch(location, layer.subarray(at, at + 10_000), at);
      assert.equal(refused.status, 416);
      assert.equal(refused.headers.get('range'), '0-99999');
      assert.ok(refused.headers.get('location'));
    }
    const status = await client.call('GET', location);
    assert.equal(status.status, 204);
    assert.equal(status.headers.get('range'), '0-99999');
    assert.equal((await client.patch(location, layer.subarray(100_000, 200_000))).status, 202);
    const done = await client.commit(location, sha256(layer), layer.subarray(200_000));
    assert.equal(done.status, 201);
    assert.equal(done.headers.get('docker-content-digest'), sha256(layer));
    const got = await client.call('GET', locationOf(done));
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), Buffer.from(layer));
    assert.equal((await client.call('GET', location)).status, 404);
    assert.deepEqual(await server.files('uploads', 'partial'), []);
  });

  it('goes on after a restart, wherever it was cut', async () => {
    await using directory = await temporaryDirectory();
    let location = '';
    for (let at = 0; at < layer.length; at += 70_001) {
      await using server = await hosted({}, directory.path);
      const { client } = server;
      if (location === '') location = await client.begin();
      assert.equal((await client.patch(location, layer.subarray(at, at + 70_001), at)).status, 202);
    }
    await using server = await hosted({}, directory.path);
    assert.equal((await server.client.commit(location, sha256(layer))).status, 201);
    const got = await server.client.call('GET', `blobs/${sha256(layer)}`);
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), Buffer.from(layer));
  });

  it('keeps what has come of a client that has left', async () => {
    await using server = await hosted();
    const { client } = server;
    const location = await client.begin();
    const request = await begunPatch(client.url, location, layer.subarray(0, 40_000), layer.length);
    const size = async () => (await client.call('GET', location)).headers.get('range');
    await until(async () => (await size()) === '0-39999', 'the bytes that came are not there');
    request.destroy();
    await until(
      async () => (await client.patch(location, layer.subarray(40_000), 40_000)).status === 202,
      'it is not gone on with',
    );
    assert.equal((await client.commit(location, sha256(layer))).status, 201);
  });

  it('is written to by one request at a time', async () => {
    await using server = await hosted();
    const { client } = server;
    const location = await client.begin();
    const request = await begunPatch(client.url, location, layer.subarray(0, 10_000), layer.length);
    const size = async () => (await client.call('GET', location)).headers.get('range');
    await until(async () => (await size()) === '0-9999', 'the bytes that came are not there');
    const other = await client.patch(location, layer.subarray(10_000, 20_000), 10_000);
    assert.equal(other.status, 409);
    assert.equal(await codeOf(other), 'BLOB_UPLOAD_INVALID');
    assert.equal((await client.commit(location, sha256(layer))).status, 409);
    assert.equal(await client.status('DELETE', location), 409);
    await new Promise((resolve) => request.once('response', resolve).end(layer.subarray(10_000)));
    assert.equal((await client.commit(location, sha256(layer))).status, 201);
  });

  it('of a wrong digest leaves nothing', async () => {
    await using server = await hosted();
    const { client } = server;
    const wrong = sha256(Buffer.from('something else'));
    const location = await client.begin();
    await client.patch(location, layer);
    const refused = await client.commit(location, wrong);
    assert.equal(refused.status, 400);
    assert.equal(await codeOf(refused), 'DIGEST_INVALID');
    assert.equal((await client.call('GET', location)).status, 404);
    const atOnce = await client.call('POST', `blobs/uploads/?digest=${wrong}`, { body: layer });
    assert.equal(await codeOf(atOnce), 'DIGEST_INVALID');
    assert.deepEqual(await server.files('uploads', 'partial', 'blobs/sha256'), []);
  });

  it('that is given up is gone, and none is there that nobody has begun', async () => {
    await using server = await hosted();
    const { client } = server;
    const location = await client.begin();
    await client.patch(location, layer);
    assert.equal(await client.status('DELETE', location), 204);
    assert.equal(await client.status('DELETE', location), 404);
    for (const id of ['0'.repeat(32), '../../x', 'x'])
      assert.equal(
        await client.status('GET', `blobs/uploads/${encodeURIComponent(id)}`),
        id === '../../x' ? 404 : 404,
      );
    assert.deepEqual(await server.files('uploads'), []);
    const others = await client.begin();
    const elsewhere = others.replace('test/app', 'test/other');
    assert.equal((await server.of('test/other').patch(elsewhere, layer)).status, 404);
  });

  it('is of as many bytes as its range says', async () => {
    await using server = await hosted();
    const { client } = server;
    const location = await client.begin();
    const odd = async (range: string): Promise<number> =>
      (await client.call('PATCH', location, { body: layer, headers: { 'Content-Range': range } })).status;
    assert.equal(await odd('0-10'), 400);
    assert.equal(await odd('10-0'), 400);
    assert.equal(await odd('abc'), 400);
    assert.equal((await client.patch(location, layer, 0)).status, 202);
  });

  it('is of as many bytes as its range says where nothing else says how many come, or it is over', async () => {
    await using server = await hosted();
    const { client } = server;
    const sent = async (location: string, size: number): Promise<Response> => {
      const body = new Blob([layer.subarray(0, size)]).stream();
      return await client.call('PATCH', location, { body, headers: { 'Content-Range': '0-99999' } });
    };
    for (const size of [99_999, 100_001, layer.length]) {
      const location = await client.begin();
      const refused = await sent(location, size);
      assert.deepEqual([refused.status, await codeOf(refused)], [400, 'SIZE_INVALID']);
      assert.equal(await client.status('GET', location), 404);
    }
    assert.deepEqual(await server.files('uploads'), []);
    const location = await client.begin();
    const taken = await sent(location, 100_000);
    assert.deepEqual([taken.status, taken.headers.get('range')], [202, '0-99999']);
    const atOnce = await client.call('POST', `blobs/uploads/?digest=${sha256(layer)}`, {
      body: layer,
      headers: { 'Content-Range': `5-${layer.length + 4}` },
    });
    assert.equal(atOnce.status, 416);
  });

  it('takes a blob over that another repository has, and is begun where that has none', async () => {
    await using server = await hosted();
    const digest = await server.of('test/base').pushBlob(layer);
    const { client } = server;
    const mount = (from: string) => client.call('POST', `blobs/uploads/?mount=${digest}&from=${from}`);
    for (const from of ['test/none', 'NO NAME', 'docker.io/library/alpine'])
      assert.equal((await mount(encodeURIComponent(from))).status, 202);
    assert.equal(await client.status('GET', `blobs/${digest}`), 404);
    const mounted = await mount('test/base');
    assert.equal(mounted.status, 201);
    assert.equal(mounted.headers.get('docker-content-digest'), digest);
    const got = await client.call('GET', locationOf(mounted));
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), Buffer.from(layer));
  });
});

describe('an upload to a cache of so many bytes', () => {
  const cache = { maxSize: 500_000, minFree: 0 };

  it('has no room for all its chunks where it has none for a blob of that size', async () => {
    await using server = await hosted({ cache });
    const { client } = server;
    const whole = bytes(600_000, 7);
    const location = await client.begin();
    assert.equal((await client.patch(location, whole.subarray(0, 300_000))).status, 202);
    assert.equal((await client.patch(location, whole.subarray(300_000))).status, 507);
    assert.equal((await client.commit(location, sha256(whole), whole.subarray(300_000))).status, 404);
    assert.equal(await client.status('GET', `blobs/${sha256(whole)}`), 404);
    assert.deepEqual(await server.files('uploads'), []);
    assert.equal((await client.patch(await client.begin(), bytes(450_000, 7))).status, 202);
  });

  it('counts while it waits for its next request, until it is given up', async () => {
    await using server = await hosted({ cache });
    const { client } = server;
    const half = bytes(300_000, 9);
    const first = await client.begin();
    assert.equal((await client.patch(first, half)).status, 202);
    const second = await client.begin();
    assert.equal((await client.patch(second, half)).status, 507);
    assert.equal(await client.status('DELETE', first), 204);
    const third = await client.begin();
    assert.equal((await client.patch(third, half)).status, 202);
    assert.equal((await client.commit(third, sha256(half))).status, 201);
    assert.equal((await client.patch(await client.begin(), bytes(150_000, 10))).status, 202);
  });

  it('may have all that is left, though nobody says how much comes', async () => {
    await using server = await hosted({ cache });
    const { client } = server;
    const whole = bytes(450_000, 8);
    const location = await client.begin();
    const body = new Blob([whole]).stream();
    assert.equal((await client.call('PATCH', location, { body })).status, 202);
    assert.equal((await client.commit(location, sha256(whole))).status, 201);
  });
});

describe('a manifest that is refused', () => {
  it('names what its repository has not, though another has it', async () => {
    await using server = await hosted();
    const other = await server.of('test/base').made([layer]);
    const refused = await server.client.putManifest('7.0.0', other.bytes);
    assert.equal(refused.status, 404);
    assert.equal(await codeOf(refused), 'MANIFEST_BLOB_UNKNOWN');
    const index = {
      schemaVersion: 2,
      mediaType: ociIndex,
      manifests: [{ mediaType: ociManifest, digest: other.digest, size: other.bytes.length }],
    };
    assert.equal((await server.client.putManifest('index', index, ociIndex)).status, 404);
    assert.equal(await server.client.status('GET', 'manifests/7.0.0'), 404);
    const stored = await server.files('blobs/sha256');
    assert.ok(!stored.includes(other.digest.slice(7)), 'its bytes are kept');
  });

  it('is none, is another than its digest, or calls itself two things', async () => {
    await using server = await hosted();
    const { client } = server;
    const image = await client.made([layer]);
    const codes = async (reference: string, body: Uint8Array, type?: string): Promise<string> =>
      await codeOf(await client.putManifest(reference, body, type));
    assert.equal(await codes('x', Buffer.from('no json')), 'MANIFEST_INVALID');
    assert.equal(await codes('x', Buffer.from('[]')), 'MANIFEST_INVALID');
    assert.equal(await codes('x', Buffer.from('{"layers":[{"digest":"sha256:1"}]}')), 'MANIFEST_INVALID');
    assert.equal(await codes('x', image.bytes, ociIndex), 'MANIFEST_INVALID');
    assert.equal(await codes(sha256(layer), image.bytes), 'DIGEST_INVALID');
    assert.equal(await codes('sha256:bad', image.bytes), 'DIGEST_INVALID');
    assert.equal((await client.putManifest('x', image.bytes)).status, 201);
  });

  it('of five megabytes is answered so, and the connection of one of four goes on', async () => {
    await using server = await hosted();
    const { client } = server;
    for (const chunked of [false, true]) {
      const large = Buffer.alloc(5 * 1024 * 1024, ' ');
      const body = chunked ? new Blob([large]).stream() : large;
      const refused = await client.call('PUT', 'manifests/x', {
        body,
        headers: { 'Content-Type': ociManifest },
      });
      assert.equal(refused.status, 413);
      assert.equal(await codeOf(refused), 'MANIFEST_INVALID');
    }
    const annotations = { large: 'a'.repeat(3_900_000) };
    await client.pushImage('large', [layer], { annotations });
    assert.equal(
      (await (await client.call('GET', 'manifests/large')).arrayBuffer()).byteLength > 3_900_000,
      true,
    );
  });

  it('would move a tag that is immutable: of two at a time one has it', async () => {
    await using server = await hosted();
    const { client } = server;
    const images = [await client.made([layer]), await client.made([bytes(1000, 5)])];
    const answers = await Promise.all(images.map(({ bytes: sent }) => client.putManifest('v1', sent)));
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409]);
    const winner = images[answers.findIndex(({ status }) => status === 201)];
    const got = await client.call('GET', 'manifests/v1');
    assert.equal(got.headers.get('docker-content-digest'), winner?.digest);
    assert.equal((await client.putManifest('v1', winner?.bytes ?? {})).status, 201);
    assert.equal(await client.status('DELETE', 'manifests/v1'), 403);
    assert.equal(await client.status('DELETE', `manifests/${winner?.digest}`), 403);
    assert.equal(await client.status('GET', 'manifests/v1'), 200);
  });
});

describe('what is deleted', () => {
  it('is nothing that a manifest names', async () => {
    await using server = await hosted();
    const { client } = server;
    const image = await client.pushImage('one', [layer]);
    const refused = await client.call('DELETE', `blobs/${image.blobs[0]}`);
    assert.equal(refused.status, 405);
    assert.equal(await codeOf(refused), 'UNSUPPORTED');
    const child = { mediaType: ociManifest, digest: image.digest, size: image.bytes.length };
    const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [child] };
    assert.equal((await client.putManifest('index', index, ociIndex)).status, 201);
    assert.equal(await client.status('DELETE', 'manifests/one'), 202);
    assert.equal(await client.status('DELETE', `manifests/${image.digest}`), 405);
    assert.equal(await client.status('GET', `manifests/${image.digest}`), 200);
    const { digest } = { digest: sha256(Buffer.from(JSON.stringify(index))) };
    assert.equal(await client.status('DELETE', `manifests/${digest}`), 202);
    assert.equal(await client.status('DELETE', `manifests/${image.digest}`), 202);
    for (const blob of image.blobs) {
      assert.equal(await client.status('DELETE', `blobs/${blob}`), 202);
      assert.equal(await client.status('GET', `blobs/${blob}`), 404);
      assert.equal(await client.status('DELETE', `blobs/${blob}`), 404);
    }
  });

  it('stays in another repository', async () => {
    await using server = await hosted();
    const digest = await server.client.pushBlob(layer);
    await server.of('test/other').pushBlob(layer);
    assert.equal(await server.client.status('DELETE', `blobs/${digest}`), 202);
    assert.equal(await server.client.status('HEAD', `blobs/${digest}`), 404);
    assert.equal(await server.of('test/other').status('GET', `blobs/${digest}`), 200);
  });

  it('was not there', async () => {
    await using server = await hosted();
    const { client } = server;
    assert.equal(await client.status('DELETE', 'manifests/none'), 404);
    assert.equal(await client.status('DELETE', `manifests/${sha256(layer)}`), 404);
    assert.equal(await client.status('DELETE', `blobs/${sha256(layer)}`), 404);
  });
});

describe('who may push', () => {
  it('is nobody where nothing lives here, in the words of ever', async () => {
    await using server = await hosted({ hosted: [], defaultNs: 'docker.io' });
    const { client } = server;
    for (const [method, path] of [
      ['POST', 'blobs/uploads/'],
      ['PUT', 'manifests/v1'],
      ['DELETE', 'manifests/v1'],
      ['PATCH', 'blobs/uploads/1'],
    ] as const) {
      const refused = await client.call(method, path);
      assert.equal(refused.status, 405);
      assert.match(await refused.text(), /this registry only serves pulls/);
    }
  });

  it('is nobody where that is not open, which says what to set, and nobody anywhere else', async () => {
    await using server = await hosted({ hosted: [{ repositories: ['test/app'] }] });
    const refused = await server.client.call('POST', 'blobs/uploads/');
    assert.equal(refused.status, 403);
    assert.match(await refused.text(), /"DENIED".*open: true/);
    for (const name of ['docker.io/library/alpine', 'elsewhere']) {
      const cached = await server.of(name).call('PUT', 'manifests/v1', { body: layer });
      assert.equal(cached.status, 405);
      assert.match(await cached.text(), /lives? here/);
    }
  });

  it('cannot name it by what stands in front of it inside', async () => {
    await using server = await hosted();
    await server.client.pushImage('7.0.0', [layer]);
    for (const path of [
      '/v2/hosted.invalid/test/app/manifests/7.0.0',
      '/v2/test/app/manifests/7.0.0?ns=hosted.invalid',
    ])
      assert.equal(await server.client.status('GET', path), 400);
  });

  it('may say how this server is called', async () => {
    await using server = await hosted({ publicUrl: 'http://cache.example:8080/' });
    await server.client.pushImage('7.0.0', [layer]);
    for (const path of [
      '/v2/cache.example:8080/test/app/manifests/7.0.0',
      '/v2/test/app/manifests/7.0.0?ns=cache.example:8080',
    ])
      assert.equal(await server.client.status('GET', path), 200);
  });
});

describe('lists of what lives here', () => {
  it('have all tags, in pages too, and none of what is nowhere', async () => {
    await using server = await hosted();
    const { client } = server;
    const { bytes: sent } = await client.made([layer]);
    const tags = ['a', 'b', 'c', 'd', 'e'];
    for (const tag of tags.toReversed()) assert.equal((await client.putManifest(tag, sent)).status, 201);
    assert.deepEqual(await client.json('tags/list'), { name: 'test/app', tags });
    assert.deepEqual(await client.json('tags/list?last=c'), { name: 'test/app', tags: ['d', 'e'] });
    const page = await client.call('GET', 'tags/list?n=2');
    assert.deepEqual(await page.json(), { name: 'test/app', tags: ['a', 'b'] });
    assert.match(page.headers.get('link') ?? '', /last=b/);
    assert.equal(page.headers.get('warning'), null);
    assert.equal(await server.of('test/none').status('GET', 'tags/list'), 404);
    for (const tag of tags) await client.status('DELETE', `manifests/${tag}`);
    assert.deepEqual(await client.json('tags/list'), { name: 'test/app', tags: [] });
  });

  it('stand in index.json with the host that nobody has', async () => {
    await using server = await hosted();
    await server.client.pushImage('7.0.0', [layer]);
    const list = async () => await readFile(join(server.path, 'v1', 'index.json'), 'utf8').catch(() => '');
    await until(async () => (await list()).includes('hosted.invalid/test/app:7.0.0'), 'it is not listed');
  });

  it('stand there by their digest too, if nothing else leads to them', async () => {
    await using server = await hosted();
    const { digest, bytes } = await server.client.made([layer]);
    const list = async () => await readFile(join(server.path, 'v1', 'index.json'), 'utf8').catch(() => '');
    // It is written once at the start: that is over.
    await until(async () => (await list()) !== '', 'there is no list');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal((await server.client.putManifest(digest, bytes)).status, 201);
    await until(async () => (await list()).includes(`hosted.invalid/test/app@${digest}`), 'it is not listed');
  });

  it('bring it back by its name where the index was lost', async () => {
    await using directory = await temporaryDirectory();
    let digest: string;
    {
      await using server = await hosted({}, directory.path);
      ({ digest } = await server.client.pushImage('7.0.0', [layer]));
    }
    await rm(join(directory.path, 'v1', 'index-3.sqlite'));
    await using later = await hosted({}, directory.path);
    const isBack = async () => (await later.client.status('HEAD', 'manifests/7.0.0')) === 200;
    await until(isBack, 'it does not come back');
    const got = await later.client.call('HEAD', 'manifests/7.0.0');
    assert.equal(got.headers.get('docker-content-digest'), digest);
    assert.equal(await later.client.status('GET', `blobs/${sha256(layer)}`), 200);
  });

  it('hold what is immutable where it was, though the index that says so was lost', async () => {
    await using directory = await temporaryDirectory();
    {
      await using server = await hosted({}, directory.path);
      await server.client.pushImage('v1', [layer]);
    }
    const names = join(directory.path, 'v1', 'index.json');
    const [head = '', ...rest] = (await readFile(names, 'utf8')).split('\n');
    // Others come before it in the list, of which nothing is here.
    const others = Array.from({ length: 5000 }, (_, at) =>
      (rest[0] ?? '')
        .replaceAll(':v1"', `:other${at}"`)
        .replace(/[0-9a-f]{64}/, sha256(bytes(1, at)).slice(7)),
    );
    await writeFile(names, [head, ...others.map((line) => line.replace(/,?$/, ',')), ...rest].join('\n'));
    await rm(join(directory.path, 'v1', 'index-3.sqlite'));
    await using later = await hosted({}, directory.path);
    const moved = async () => await later.client.putManifest('v1', { schemaVersion: 2, layers: [] });
    const refused = await moved();
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '10']);
    await until(async () => (await moved()).status !== 503, 'it is not known');
    assert.equal((await moved()).status, 409);
  });
});
