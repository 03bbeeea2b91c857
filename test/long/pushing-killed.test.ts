import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { HostedClient, locationOf } from '#test/fakes/hosted-client.ts';
import { bytes } from '#test/fakes/images.ts';
import { digestOf } from '../e2e/support/content.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { until } from '../e2e/support/until.ts';

const settings = { hosted: [{ repositories: ['test/**'], open: true }] };

describe('a server that is killed while clients push', () => {
  it('has what was answered 201, and goes on with what was not', async () => {
    await using server = await Ociregistry.start({ settings });
    for (let round = 0; round < 3; round += 1) {
      const kept: { readonly path: string; readonly digest: string }[] = [];
      const client = new HostedClient(server.url, 'test/killed');
      const begun = await client.begin();
      const large = bytes(3_000_000, round + 100);
      assert.equal((await client.patch(begun, large.subarray(0, 1_234_567), 0)).status, 202);
      const pushing = Array.from({ length: 4 }, async (_, at) => {
        for (let count = 0; ; count += 1) {
          const layer = bytes(50_000 + at, 1000 * round + 10 * count + at);
          try {
            const { digest, blobs } = await client.pushImage(`t${at}`, [layer]);
            kept.push(...[digest].map((each) => ({ path: `manifests/${each}`, digest: each })));
            kept.push(...blobs.map((each) => ({ path: `blobs/${each}`, digest: each })));
          } catch {
            return;
          }
        }
      });
      // In the middle of others, wherever those are.
      await until('some are there', async () => kept.length >= 4 + round);
      await server.stop('SIGKILL');
      await Promise.all(pushing);
      assert.ok(kept.length > 0);
      await server.startAgain();
      const again = new HostedClient(server.url, 'test/killed');
      for (const { path, digest } of kept) {
        const got = await again.call('GET', path);
        assert.equal(got.status, 200, `${path} was answered 201`);
        assert.equal(digestOf(Buffer.from(await got.arrayBuffer())), digest);
      }
      const state = await again.call('GET', begun);
      assert.equal(state.headers.get('range'), '0-1234566');
      assert.equal((await again.patch(begun, large.subarray(1_234_567), 1_234_567)).status, 202);
      const done = await again.commit(begun, sha256(large));
      assert.equal(done.status, 201);
      assert.equal((await again.call('GET', locationOf(done))).status, 200);
    }
    // Each is what its name says.
    await server.storedDigests();
  });
});
