import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RegistryError } from '#src/oci/error.ts';
import { parseRegistryHost, parseTag } from '#src/oci/reference.ts';
import type { Manifest } from '#src/oci/registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { ObservedRegistry } from '#src/registry/observed-registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { RecordingObserver } from '#test/fakes/recording-observer.ts';
import { ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const hub = parseRegistryHost('docker.io');
const v1 = parseTag('v1');
const layer = bytes(200_000);

function watched() {
  const content = new MemoryRegistry();
  const image = putImage(content, alpine, 'v1', [layer]);
  const inner = new ScriptedRegistry(content);
  const observer = new RecordingObserver();
  return { image, inner, observer, registry: new ObservedRegistry(inner, hub, observer) };
}

describe('an observed registry', () => {
  it('passes every call on and tells of it', async () => {
    const { image, inner, observer, registry } = watched();
    const { digest, size } = image.manifest;
    assert.equal((await registry.resolveManifest(alpine, v1)).digest, digest);
    assert.equal((await registry.getManifest(alpine, v1)).descriptor.digest, digest);
    const blob = image.layers[0]?.digest ?? digest;
    assert.equal((await registry.resolveBlob(alpine, blob)).size, layer.length);
    {
      await using reader = await registry.getBlob(alpine, blob, { range: { first: 100 } });
      assert.deepEqual(reader.range, { first: 100, last: layer.length - 1 });
      assert.equal((await collect(reader.body)).length, layer.length - 100);
    }
    assert.deepEqual((await registry.listTags(alpine)).tags, ['v1']);
    assert.deepEqual((await registry.listReferrers(alpine, digest)).referrers, []);
    assert.equal(inner.calls.length, 6);
    assert.deepEqual(
      observer.calls.map(({ host, kind, result }) => `${host} ${kind} ${result}`),
      ['manifest', 'manifest', 'blob', 'blob', 'tags', 'referrers'].map((kind) => `docker.io ${kind} ok`),
    );
    assert.equal(observer.received[0], `manifest ${size}`);
    const blobBytes = observer.received.slice(1).map((text) => Number(text.replace('blob ', '')));
    assert.equal(
      blobBytes.reduce((sum, length) => sum + length),
      layer.length - 100,
    );
  });

  it('tells of the bytes of a manifest that had to be read to be described, and hands it on', async () => {
    const { image, inner, observer, registry } = watched();
    inner.resolveManifest = async (name, reference, options) => {
      const manifest = await inner.getManifest(name, reference);
      options?.take?.(manifest);
      return manifest.descriptor;
    };
    const taken: Manifest[] = [];
    await registry.resolveManifest(alpine, v1, { take: (manifest) => void taken.push(manifest) });
    assert.deepEqual(
      taken.map(({ descriptor }) => descriptor.digest),
      [image.manifest.digest],
    );
    assert.deepEqual(observer.received, [`manifest ${image.manifest.size}`]);
  });

  it('tells of a failure by its status, and passes on the error itself', async () => {
    const { inner, observer, registry } = watched();
    const errors: [error: Error, result: string][] = [
      [new RegistryError('MANIFEST_UNKNOWN'), 'absent'],
      [new RegistryError('UNAUTHORIZED'), 'denied'],
      [new RegistryError('DENIED'), 'denied'],
      [new RegistryError('TOOMANYREQUESTS'), 'limited'],
      [new RegistryError('RANGE_INVALID'), 'invalid'],
      [new RegistryError('UNAVAILABLE', undefined, { status: 504 }), 'error'],
      [new TypeError('a bug'), 'error'],
    ];
    for (const [error, result] of errors) {
      inner.script = () => {
        throw error;
      };
      await assert.rejects(registry.getManifest(alpine, v1), (thrown) => thrown === error);
      assert.equal(observer.calls.at(-1)?.result, result);
    }
    assert.deepEqual(observer.received, []);
  });

  it('calls a call cut when whoever asked has left', async () => {
    const { inner, observer, registry } = watched();
    const leaving = new AbortController();
    inner.script = () => {
      leaving.abort(new Error('left'));
      throw leaving.signal.reason;
    };
    await assert.rejects(registry.listTags(alpine, { signal: leaving.signal }), /left/);
    assert.equal(observer.calls[0]?.result, 'cut');
  });
});
