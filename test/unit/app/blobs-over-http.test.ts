import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type KeyPair, serverKeys, TestAuthority } from '#test/fakes/certificates.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { on, redirected } from '#test/fakes/upstream-faults.ts';
import { needs } from '#test/setup/needs.ts';

describe('upstream.blobsOverHttp', needs('openssl'), () => {
  let authority: TestAuthority;
  let server: KeyPair;
  before(async () => {
    authority = await TestAuthority.create();
    server = await authority.issue('server', 'IP:127.0.0.1');
  });
  after(async () => await authority[Symbol.asyncDispose]());

  const rows: [where: string, common: boolean, own: boolean | undefined, status: number][] = [
    ['of all registries lets blobs come over http', true, undefined, 200],
    ['of one does', false, true, 200],
    ['of one forbids what is allowed for all', true, false, 502],
    ['is off', false, undefined, 502],
  ];
  for (const [what, common, own, status] of rows) {
    it(what, async () => {
      await using directory = await temporaryDirectory();
      await using store = await FakeUpstream.start();
      await using upstream = await FakeUpstream.start({ tls: await serverKeys(server) });
      const { layers } = putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(5000)]);
      putImage(store.content, store.repository('team/app'), 'v1', [bytes(5000)]);
      upstream.faults.push(on('GET /v2/team/app/blobs', redirected(store.origin)));
      await using app = await runApp({
        imagePath: directory.path,
        upstream: { blobsOverHttp: common },
        registries: [
          {
            name: upstream.host,
            alias: 'up',
            tls: { ca: authority.caFile },
            ...(own !== undefined && { upstream: { blobsOverHttp: own } }),
          },
        ],
      });
      const answer = await ask(app.server, `/v2/up/team/app/blobs/${layers[0]?.digest}`);
      assert.equal(answer.status, status);
      assert.equal(store.requests.length, status === 200 ? 1 : 0);
      if (status === 502)
        assert.match(answer.body.toString(), /upstream\.blobsOverHttp: true of this registry/);
    });
  }
});
