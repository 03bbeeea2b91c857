import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { bodied, stalledAfter } from '#test/fakes/upstream-faults.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { until } from './support/until.ts';

const layer = Buffer.from(bytes(4_000_000));

/** As the log has them. */
interface Line {
  readonly level: string;
  readonly msg: string;
  readonly failure?: string;
  readonly cut?: boolean;
}

describe('SIGTERM', () => {
  it('lets a running download end, refuses new ones, and the program exits with 0, also when it comes twice at once', async () => {
    await using upstream = await FakeUpstream.start();
    const image = putImage(upstream.content, upstream.repository('library/app'), 'v1', [layer]);
    const half = gate();
    upstream.faults.push(
      bodied(async function* (body) {
        let sent = 0;
        for await (const chunk of body) {
          yield chunk;
          sent += chunk.length;
          if (sent > 2_000_000) await half.wait();
        }
      }),
    );
    const registries = [{ name: upstream.host, scheme: 'http', alias: 'up' }];
    await using server = await Ociregistry.start({ settings: { registries } });
    const { url } = server;
    const blob = `${url}/v2/up/library/app/blobs/${image.layers[0]?.digest}`;
    const download = fetch(blob);
    await half.reached;
    const response = await download;
    void server.stop('SIGTERM');
    const stopped = server.stop('SIGTERM');
    await until(
      'new requests are refused',
      async () =>
        await fetch(`${url}/v2/`).then(
          () => false,
          () => true,
        ),
    );
    half.open();
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(layer));
    assert.deepEqual(await stopped, { code: 0, signal: null });
  });

  it('ends transfers that have not ended in time, and says no more of it than that', async () => {
    await using upstream = await FakeUpstream.start();
    const { content, host } = upstream;
    const digests = Array.from({ length: 40 }, (_, at) => {
      return content.putBlob(upstream.repository('library/app'), bytes(3_000_000, at)).digest;
    });
    const never = gate();
    upstream.faults.push(stalledAfter(2_000_000, never.wait));
    const registries = [{ name: host, scheme: 'http', alias: 'up', upstream: { maxConcurrent: 50 } }];
    const settings = { registries, server: { drainTimeout: '200ms' } };
    await using server = await Ociregistry.start({ settings });
    const read = async (digest: string): Promise<ArrayBuffer> => {
      const response = await fetch(`${server.url}/v2/up/library/app/blobs/${digest}`);
      return await response.arrayBuffer();
    };
    // On a busy machine nothing may have been read of an answer yet when its connection is reset.
    const downloads = digests.map(async (digest) => {
      return await read(digest).then(
        () => 'whole',
        () => 'cut',
      );
    });
    const areAsked = () =>
      upstream.requests.filter(({ method }) => method === 'GET').length >= digests.length;
    await until(
      'all are under way',
      async () => areAsked() && (await server.partialBytes()) > digests.length * 1_500_000,
    );
    assert.deepEqual(await server.stop('SIGTERM'), { code: 0, signal: null });
    assert.deepEqual(new Set(await Promise.all(downloads)), new Set(['cut']));
    const lines = server.output.split('\n').map((line) => JSON.parse(line) as Line);
    assert.deepEqual(
      lines.filter(({ level }) => level === 'error'),
      [],
    );
    const requests = lines.filter(({ msg }) => msg === 'request');
    assert.equal(requests.length, 40);
    assert.ok(requests.every(({ cut }) => cut === true));
    never.open();
  });
});
