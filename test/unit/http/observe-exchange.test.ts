import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { RegistryError } from '#src/oci/error.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { RecordingObserver } from '#test/fakes/recording-observer.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';
import { cut, gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const base = '/v2/docker.io/library/alpine';
const layer = bytes(500_000);

describe('an observed exchange', () => {
  it('is told once, by what it was about and how it ended', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: () => 'always', negativeTtl: 0 } });
    const { manifest } = putImage(cache.content, alpine, 'v1', [layer]);
    const observer = new RecordingObserver();
    await using server = await serveRegistry(cache.registry, { observer, catalog: [alpine] });
    const first = await ask(server, `${base}/manifests/v1`);
    const expected: [path: string, words: string][] = [
      [`${base}/manifests/${manifest.digest}`, 'manifest hit'],
      [`${base}/manifests/v1`, 'manifest revalidated'],
      [`${base}/manifests/none`, 'manifest absent'],
      [`${base}/manifests/a:b`, 'manifest invalid'],
      [`${base}/tags/list`, 'tags miss'],
      [`${base}/referrers/${manifest.digest}`, 'referrers miss'],
      ['/v2/_catalog', 'catalog local'],
      ['/v2/', 'version local'],
      [`${base}/blobs/uploads/`, 'uploads absent'],
      ['/v2/nothing', 'other absent'],
      ['/elsewhere', 'other absent'],
    ];
    for (const [path] of expected) await ask(server, path);
    cache.upstream.script = () => {
      throw new RegistryError('TOOMANYREQUESTS');
    };
    await ask(server, `${base}/manifests/v1`);
    await ask(server, `${base}/manifests/v2`);
    await observer.until(expected.length + 3);
    assert.deepEqual(observer.words, [
      'manifest miss',
      ...expected.map(([, words]) => words),
      'manifest stale',
      'manifest limited',
    ]);
    assert.equal(observer.requests[0]?.bytes, first.body.length);
    assert.equal(observer.requests[0].host, 'docker.io');
    assert.equal(observer.requests.at(8)?.host, undefined);
  });

  it('counts the bytes that were sent, and calls it cut when the client leaves', async () => {
    await using cache = new CacheUnderTest();
    const image = putImage(cache.content, alpine, 'v1', [layer]);
    const blob = `${base}/blobs/${image.layers[0]?.digest}`;
    const observer = new RecordingObserver();
    await using server = await serveRegistry(cache.registry, { observer });
    await ask(server, blob);
    await ask(server, blob, { method: 'HEAD' });
    await ask(server, blob, { headers: { range: 'bytes=0-99' } });
    await observer.until(3);
    assert.deepEqual(
      observer.requests.map(({ kind, bytes: sent }) => `${kind} ${sent}`),
      ['blob 500000', 'blob 0', 'blob 100'],
    );
    assert.ok(observer.requests.every(({ firstByteSeconds }) => firstByteSeconds > 0));
    const held = gate();
    cache.upstream.script = async () => await held.wait();
    const socket = connect({ host: '127.0.0.1', port: server.port });
    socket.write(`GET ${base}/manifests/v1 HTTP/1.1\r\nHost: x\r\n\r\n`);
    await held.reached;
    socket.destroy();
    await observer.until(4);
    held.open();
    assert.equal(observer.words[3], 'manifest cut');
  });

  it('is an error when the answer had to be broken off', async () => {
    await using cache = new CacheUnderTest();
    const image = putImage(cache.content, alpine, 'v1', [layer]);
    const upstream = new ScriptedRegistry(cache.content);
    upstream.body = (chunks) => cut(chunks, 1000, new RegistryError('UNAVAILABLE'));
    const observer = new RecordingObserver();
    await using server = await serveRegistry(upstream, { observer });
    const answer = await ask(server, `${base}/blobs/${image.layers[0]?.digest}`);
    assert.equal(answer.isCut, true);
    await observer.until(1);
    assert.deepEqual(observer.words, ['blob error']);
  });
});
