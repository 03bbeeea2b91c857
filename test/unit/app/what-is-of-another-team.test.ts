import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes } from '#test/fakes/images.ts';
import { basicHeader, bcrypt } from '#test/fakes/passwords.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { asked, password, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';

/**
 * Alice may do everything with `team/a` and nothing with `team/b`; each has other content. All that can be read of `team/b`, by each of its names, is asked for as of `team/b` (denied) and as of
 * `team/a` (not there), at an upstream and as of here, before the cache has it and when it is in memory.
 */

type Shown = string | undefined;

const all = ['pull', 'push', 'delete'];
const alice = basicHeader('alice', password);
const owner = basicHeader('owner', password);
const config = Buffer.from('{"of":"team/b"}');
const layer = Buffer.from(bytes(2000, 7));

/** An image, an index of it, and an SBOM that refers to the image. */
function content() {
  const described = (blob: Uint8Array, mediaType: string) => ({
    ...{ mediaType, digest: sha256(blob), size: blob.length },
  });
  const layers = [described(layer, 'application/vnd.oci.image.layer.v1.tar')];
  const common = { schemaVersion: 2, mediaType: ociManifest };
  const withConfig = { ...common, config: described(config, 'application/vnd.oci.image.config.v1+json') };
  const image = Buffer.from(JSON.stringify({ ...withConfig, layers }));
  const subject = described(image, ociManifest);
  const artifactType = 'application/vnd.test.sbom';
  const sbom = Buffer.from(JSON.stringify({ ...withConfig, artifactType, layers: [], subject }));
  const index = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [described(image, ociManifest)] }),
  );
  return { image, sbom, index };
}

const { image, sbom, index } = content();
const [ofImage, ofSbom, ofIndex] = [sha256(image), sha256(sbom), sha256(index)];

/** What can be read by a digest. */
const byDigest = [
  ...[ofImage, ofSbom, ofIndex].map((digest) => `manifests/${digest}`),
  ...[config, layer].map((blob) => `blobs/${sha256(blob)}`),
];
const byTag = ['manifests/v1', 'manifests/all', 'tags/list', 'tags/list?n=1'];
const ofReferrers = [
  `referrers/${ofImage}`,
  `referrers/${ofImage}?artifactType=application/vnd.test.sbom`,
  `manifests/${ofImage.replace(':', '-')}`,
];

describe('what is of team/b, for a user who may have team/a alone', () => {
  const resources = new AsyncDisposableStack();
  let server: TokenApp;
  let upstream: FakeUpstream;
  let his: readonly Shown[];

  before(async () => {
    upstream = resources.use(await FakeUpstream.start());
    for (const name of ['team/a', 'team/b']) {
      const repository = upstream.repository(name);
      const { content: there } = upstream;
      if (name === 'team/a')
        there.putManifest(repository, parseTag('other'), Buffer.from(emptyIndex), ociIndex);
      else {
        for (const blob of [config, layer]) there.putBlob(repository, blob);
        for (const [tag, bytesOf, type] of [
          ['v1', image, ociManifest],
          ['sbom', sbom, ociManifest],
          ['all', index, ociIndex],
        ] as const)
          there.putManifest(repository, parseTag(tag), bytesOf, type);
      }
    }
    const { path } = resources.use(await temporaryDirectory());
    const htpasswdFile = join(path, 'users');
    await writeFile(htpasswdFile, ['alice', 'owner'].map((name) => `${name}:${bcrypt(password)}\n`).join(''));
    server = resources.use(
      await tokenApp(
        { basic: { htpasswdFile } },
        {
          more: {
            cache: { complete: false },
            registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
            hosted: [{ repositories: ['team/*'] }],
            access: [
              { name: 'owner', who: { user: 'owner' }, repositories: ['**'], actions: all },
              { name: 'alice', who: { user: 'alice' }, repositories: ['team/a', '*/team/a'], actions: all },
            ],
          },
        },
      ),
    );
    const scopes = ['up/team/a', 'up/team/b', 'team/a', 'team/b'].map((name): [string, string] => [
      'scope',
      `repository:${name}:pull,push,delete`,
    ]);
    const answer = await asked(`${server.url}/v2/token?${new URLSearchParams(scopes)}`, {
      headers: { authorization: alice },
    });
    his = [alice, `Bearer ${String(answer.body['token'])}`];
  });
  after(async () => await resources.disposeAsync());

  async function call(
    shown: Shown,
    method: string,
    path: string,
    sent?: { body: Uint8Array; type?: string },
  ) {
    const authorization = shown === undefined ? {} : { Authorization: shown };
    if (sent === undefined) {
      // As a client that adds no header of its own: else none is answered out of memory.
      const { port } = new URL(server.url);
      const { status, body, headers } = await ask({ port: Number(port) }, path, {
        method,
        headers: authorization,
      });
      return { status, body: String(body), headers: new Headers(headers as Record<string, string>) };
    }
    const headers = { ...authorization, ...(sent.type !== undefined && { 'content-type': sent.type }) };
    const response = await fetch(new URL(path, server.url), {
      method,
      headers,
      body: new Blob([sent.body.slice()]),
    });
    return { status: response.status, body: await response.text(), headers: response.headers };
  }

  const status = async (...args: Parameters<typeof call>): Promise<number> => (await call(...args)).status;

  /** Nothing of it comes out under the name of `team/b`, with whatever is shown, nor under that of `team/a`. */
  async function isKept(prefix: string): Promise<void> {
    for (const shown of his)
      for (const method of ['GET', 'HEAD']) {
        for (const path of [...byTag, ...byDigest, ...ofReferrers])
          assert.equal(
            await status(shown, method, `${prefix}team/b/${path}`),
            403,
            `${method} ${prefix} ${path}`,
          );
        for (const path of [...byDigest, 'manifests/v1', 'manifests/all'])
          assert.equal(
            await status(shown, method, `${prefix}team/a/${path}`),
            404,
            `${method} ${prefix} a ${path}`,
          );
      }
    for (const shown of his)
      for (const path of ofReferrers.slice(0, 2)) {
        const { body } = await call(shown, 'GET', `${prefix}team/a/${path}`);
        assert.doesNotMatch(body, new RegExp(ofSbom));
      }
    for (const path of [...byTag, ...byDigest, ...ofReferrers])
      assert.equal(await status(undefined, 'GET', `${prefix}team/b/${path}`), 401, path);
  }

  it('is not read at an upstream, which hears nothing of it', async () => {
    await isKept('/v2/up/');
    assert.deepEqual(
      upstream.calls.filter((one) => one.includes('team/b')),
      [],
    );
  });

  it('is not read from the cache either, nor by another way of writing the name', async () => {
    for (const path of [...byTag, ...byDigest, ...ofReferrers.slice(0, 2)])
      for (let time = 0; time < 3; time += 1)
        assert.equal(await status(owner, 'GET', `/v2/up/team/b/${path}`), 200, path);
    // Now it is answered out of memory to whoever may have it.
    const before = upstream.calls.filter((one) => one.includes('team/b')).length;
    await isKept('/v2/up/');
    for (const shown of his)
      for (const path of [...byTag, ...byDigest])
        for (const name of [`/v2/team/b/${path}`, `/v2/${upstream.host}/team/b/${path}`]) {
          const ns = `${name}${name.includes('?') ? '&' : '?'}ns=${upstream.host}`;
          for (const one of name.includes(upstream.host) ? [name] : [ns])
            assert.ok([401, 403, 404].includes(await status(shown, 'GET', one)), one);
        }
    assert.equal(upstream.calls.filter((one) => one.includes('team/b')).length, before);
  });

  it('is not read where it lives here', async () => {
    for (const blob of [config, layer])
      assert.equal(
        await status(owner, 'POST', `/v2/team/b/blobs/uploads/?digest=${sha256(blob)}`, { body: blob }),
        201,
      );
    for (const [reference, body, type] of [
      ['v1', image, ociManifest],
      [ofSbom, sbom, ociManifest],
      ['all', index, ociIndex],
    ] as const)
      assert.equal(await status(owner, 'PUT', `/v2/team/b/manifests/${reference}`, { body, type }), 201);
    await isKept('/v2/');
    assert.match((await call(owner, 'GET', `/v2/team/b/referrers/${ofImage}`)).body, new RegExp(ofSbom));
  });

  it('is not had by naming it in what is pushed to team/a, nor by a mount', async () => {
    const small = Buffer.from('{"of":"team/a"}');
    for (const shown of his) {
      const upload = `/v2/team/a/blobs/uploads/?digest=${sha256(small)}`;
      assert.equal(await status(shown, 'POST', upload, { body: small }), 201);
      // Neither the layer nor the image is in team/a.
      for (const [body, type] of [
        [image, ociManifest],
        [index, ociIndex],
      ] as const)
        assert.equal(await status(shown, 'PUT', '/v2/team/a/manifests/stolen', { body, type }), 404);
      for (const blob of [config, layer])
        for (const from of ['&from=team/b', '&from=up/team/b', `&from=${upstream.host}/team/b`, '']) {
          const mount = `/v2/team/a/blobs/uploads/?mount=${sha256(blob)}${from}`;
          assert.equal(await status(shown, 'POST', mount), 202, from);
        }
    }
    await isKept('/v2/');
  });

  it('is not added to by a referrer in team/a, and learns nothing of that', async () => {
    const described = { mediaType: ociManifest, digest: ofImage, size: image.length };
    const empty = Buffer.from('{"of":"team/a"}');
    const body = Buffer.from(
      JSON.stringify({
        ...{
          schemaVersion: 2,
          mediaType: ociManifest,
          artifactType: 'application/vnd.test.sbom',
          layers: [],
        },
        config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256(empty), size: empty.length },
        subject: described,
      }),
    );
    const put = `/v2/team/a/manifests/${sha256(body)}`;
    assert.equal(await status(alice, 'PUT', put, { body, type: ociManifest }), 201);
    const list = async (shown: Shown, name: string): Promise<string> =>
      (await call(shown, 'GET', `/v2/${name}/referrers/${ofImage}`)).body;
    assert.match(await list(alice, 'team/a'), new RegExp(sha256(body)));
    assert.doesNotMatch(await list(alice, 'team/a'), new RegExp(ofSbom));
    assert.match(await list(owner, 'team/b'), new RegExp(ofSbom));
    assert.doesNotMatch(await list(owner, 'team/b'), new RegExp(sha256(body)));
  });

  it('is not changed by any verb, by tag or by digest', async () => {
    const began = await call(owner, 'POST', '/v2/team/b/blobs/uploads/', { body: Buffer.from('') });
    const location = new URL(began.headers.get('location') ?? '', server.url);
    const upload = location.pathname.replace(/^\/here/, '') + location.search;
    const some = { body: Buffer.from('some'), type: 'application/octet-stream' };
    const manifest = { body: image, type: ociManifest };
    for (const shown of his)
      for (const [method, path, sent] of [
        ['POST', '/v2/team/b/blobs/uploads/', some],
        ['POST', `/v2/team/b/blobs/uploads/?digest=${sha256(config)}`, some],
        ['POST', `/v2/team/b/blobs/uploads/?mount=${sha256(config)}&from=team/a`, some],
        ['GET', upload, undefined],
        ['PATCH', upload, some],
        ['PUT', `${upload}${upload.includes('?') ? '&' : '?'}digest=${sha256(some.body)}`, some],
        ['DELETE', upload, undefined],
        ['PUT', '/v2/team/b/manifests/v1', manifest],
        ['PUT', `/v2/team/b/manifests/${ofImage}`, manifest],
        ['PUT', `/v2/team/b/manifests/${ofImage}?tag=v2`, manifest],
        ['DELETE', '/v2/team/b/manifests/v1', undefined],
        ['DELETE', `/v2/team/b/manifests/${ofImage}`, undefined],
        ['DELETE', `/v2/team/b/blobs/${sha256(layer)}`, undefined],
        ['PUT', '/v2/up/team/b/manifests/v1', manifest],
        ['DELETE', '/v2/up/team/b/manifests/v1', undefined],
        ['DELETE', `/v2/up/team/b/blobs/${sha256(layer)}`, undefined],
      ] as const)
        assert.equal(await status(shown, method, path, sent), 403, `${method} ${path}`);
    for (const path of ['manifests/v1', `manifests/${ofImage}`, `blobs/${sha256(layer)}`])
      assert.equal(await status(owner, 'GET', `/v2/team/b/${path}`), 200, path);
    assert.equal(await status(owner, 'GET', upload), 204);
    assert.doesNotMatch((await call(owner, 'GET', '/v2/team/b/tags/list')).body, /v2/);
  });

  it('is in no catalogue', async () => {
    for (const shown of [alice]) {
      const { body } = await call(shown, 'GET', '/v2/_catalog');
      assert.deepEqual(JSON.parse(body), { repositories: ['team/a'] });
    }
    assert.equal(await status(undefined, 'GET', '/v2/_catalog'), 401);
  });
});

const emptyIndex = `{"schemaVersion":2,"mediaType":"${ociIndex}","manifests":[]}`;
