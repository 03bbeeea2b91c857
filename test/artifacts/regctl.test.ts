import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bytes } from '#test/fakes/images.ts';
import { command } from '../e2e/support/command.ts';
import { digestOf, readImage } from '../e2e/support/content.ts';
import { type HostingPair, hostingPair } from '../e2e/support/hosting-pair.ts';
import { makeLayer, pushImage, pushIndex } from '../e2e/support/images.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs, programOf } from '../setup/needs.ts';
import { inFolder } from './in-folder.ts';

/** Bytes: what regctl sends at a time of a blob. */
const chunk = 250_000;

describe('regctl', needs('crane', 'regctl'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let pair: HostingPair;
  let folder: string;
  let regctl: (...args: readonly string[]) => Promise<string>;

  before(async () => {
    pair = resources.use(await hostingPair());
    folder = resources.use(await temporaryDirectory()).path;
    const settings = { tls: 'disabled', blobChunk: chunk, blobMax: chunk };
    const hosts = { [pair.inner.host]: settings, [pair.outer.host]: settings };
    await writeFile(join(folder, 'regctl.json'), JSON.stringify({ hosts }));
    regctl = inFolder('regctl', folder, { REGCTL_CONFIG: join(folder, 'regctl.json') });
  });

  /** `repository:index`, of two platforms. */
  async function index(repository: string): Promise<string> {
    const { inner } = pair.names(repository);
    const layers = [await makeLayer(folder, 'base', 2_000_000), await makeLayer(folder, 'app', 300_000)];
    const images: string[] = [];
    for (const platform of ['linux/amd64', 'linux/arm64'])
      images.push(
        await pushImage({ reference: `${inner}:${platform.slice(6)}`, layers, format: 'oci', platform }),
      );
    await pushIndex(`${inner}:index`, 'oci', images);
    return `${inner}:index`;
  }

  it('copies an index of two platforms, in chunks, into a layout and back, and out of a cache', async () => {
    const from = await index('test/source');
    const sent = await readImage(pair.urls('test/source').inner, 'index');
    const places = ['test/copy', 'test/back', 'test/again'] as const;
    const [copy, back, again] = places.map((place) => `${pair.names(place).inner}:v1`) as [
      string,
      string,
      string,
    ];
    await regctl('image', 'copy', from, copy);
    await regctl('image', 'copy', from, 'ocidir://layout:v1');
    await regctl('image', 'copy', 'ocidir://layout:v1', back);
    await regctl('image', 'copy', `${pair.names('test/source').outer}:index`, again);
    for (const place of places) assert.deepEqual(await readImage(pair.urls(place).inner, 'v1'), sent, place);
    const chunks = pair.inner.requests().filter((line) => line.startsWith('PATCH /v2/test/back/blobs/'));
    assert.ok(chunks.length > 2_000_000 / chunk, `${chunks.length} chunks`);
  });

  it('lists and deletes tags, and only the tag: the image stays for those that others lead to', async () => {
    const from = await index('test/tags');
    const { inner, outer } = pair.names('test/tags');
    await regctl('image', 'copy', from, `${inner}:other`);
    for (const name of [inner, outer])
      assert.deepEqual((await regctl('tag', 'ls', name)).split('\n').filter(Boolean).toSorted(), [
        'amd64',
        'arm64',
        'index',
        'other',
      ]);
    await regctl('tag', 'delete', from);
    await assert.rejects(regctl('manifest', 'head', from), /not found|404/i);
    await readImage(pair.urls('test/tags').inner, 'other');
    await regctl(
      'manifest',
      'delete',
      `${inner}@${(await regctl('image', 'digest', `${inner}:other`)).trim()}`,
    );
    assert.deepEqual((await regctl('tag', 'ls', inner)).split('\n').filter(Boolean).toSorted(), [
      'amd64',
      'arm64',
    ]);
  });

  it('reads manifests as they were pushed, and makes an index', async () => {
    const from = await index('test/manifests');
    const { inner, outer } = pair.names('test/manifests');
    const { digest, manifests } = await readImage(pair.urls('test/manifests').inner, 'index');
    for (const name of [from, `${outer}:index`]) {
      const body = await regctl('manifest', 'get', '--format', 'raw-body', name);
      assert.equal(body, manifests.get(digest)?.toString());
      assert.equal((await regctl('image', 'digest', name)).trim(), digest);
    }
    await regctl('index', 'create', `${inner}:made`, '--ref', `${inner}:amd64`, '--ref', `${inner}:arm64`);
    assert.equal((await readImage(pair.urls('test/manifests').outer, 'made')).manifests.size, 3);
  });

  it('puts, gets and deletes blobs, also larger ones in chunks', async () => {
    const content = bytes(1_100_001, 5);
    await writeFile(join(folder, 'blob.bin'), content);
    const { inner, outer } = pair.names('test/blobs');
    const settings = { REGCTL_CONFIG: join(folder, 'regctl.json') };
    const put = ['-c', '"$0" blob put "$1" <"$2"', programOf('regctl'), inner, join(folder, 'blob.bin')];
    assert.equal((await command('sh', put, settings)).trim(), digestOf(content));
    for (const name of [inner, outer]) {
      const get = ['-c', '"$0" blob get "$1" "$2" >"$3"', programOf('regctl'), name, digestOf(content)];
      await command('sh', [...get, join(folder, 'got.bin')], settings);
      assert.equal(digestOf(await readFile(join(folder, 'got.bin'))), digestOf(content));
    }
    await regctl('blob', 'delete', inner, digestOf(content));
    await assert.rejects(regctl('blob', 'head', inner, digestOf(content)), /not found|404/i);
  });

  it('puts artifacts that refer to an image, lists them, shows them as a tree, and gets them back', async () => {
    const subject = await index('test/artifacts');
    const { inner, outer } = pair.names('test/artifacts');
    const content = bytes(400_000, 6);
    await writeFile(join(folder, 'artifact.bin'), content);
    const type = ['--artifact-type', 'application/vnd.test.report'];
    const file = ['--file', 'artifact.bin', '--file-title', '--file-media-type', 'application/octet-stream'];
    await regctl('artifact', 'put', ...type, ...file, '--subject', subject);
    await regctl('artifact', 'put', ...type, ...file, `${inner}:report`);
    for (const name of [inner, outer]) {
      assert.match(await regctl('artifact', 'list', `${name}:index`), /application\/vnd\.test\.report/);
      assert.match(await regctl('artifact', 'tree', `${name}:index`), /application\/vnd\.test\.report/);
      for (const from of [['--subject', `${name}:index`], [`${name}:report`]]) {
        const into = join(folder, 'artifact');
        await mkdir(into, { recursive: true });
        await regctl('artifact', 'get', '--output', into, ...from);
        assert.equal(digestOf(await readFile(join(into, 'artifact.bin'))), digestOf(content));
      }
    }
    await regctl('image', 'copy', '--referrers', subject, `${pair.names('test/with').inner}:index`);
    assert.match(
      await regctl('artifact', 'list', `${pair.names('test/with').inner}:index`),
      /vnd\.test\.report/,
    );
  });

  it('lists repositories', async () => {
    await index('test/listed');
    assert.ok((await regctl('repo', 'ls', pair.inner.host)).split('\n').includes('test/listed'));
  });
});
