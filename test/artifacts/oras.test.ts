import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bytes } from '#test/fakes/images.ts';
import { digestOf, readImage } from '../e2e/support/content.ts';
import { type HostingPair, hostingPair } from '../e2e/support/hosting-pair.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs } from '../setup/needs.ts';
import { inFolder } from './in-folder.ts';

const sbomType = 'application/spdx+json';
const signatureType = 'application/vnd.test.signature';
const plain = '--plain-http';
const between = ['--from-plain-http', '--to-plain-http'];

describe('oras', needs('oras'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let pair: HostingPair;
  let folder: string;
  let oras: (...args: readonly string[]) => Promise<string>;

  const content = {
    'one.bin': bytes(3_000_000, 1),
    'two.json': Buffer.from('{"two":2}'),
    'sbom.json': Buffer.from('{"spdxVersion":"SPDX-2.3"}'),
    'signature.txt': Buffer.from('signed'),
  };

  before(async () => {
    pair = resources.use(await hostingPair());
    folder = resources.use(await temporaryDirectory()).path;
    oras = inFolder('oras', folder);
    for (const [name, its] of Object.entries(content)) await writeFile(join(folder, name), its);
  });

  /** `repository:v1`: two files, an SBOM that refers to them, a signature that refers to that. */
  async function pushed(repository: string): Promise<string> {
    const { inner } = pair.names(repository);
    const type = ['--artifact-type', 'application/vnd.test.artifact'];
    const files = ['one.bin:application/octet-stream', 'two.json:application/json'];
    await oras('push', plain, ...type, '--annotation', 'a=b', `${inner}:v1`, ...files);
    const sbom = `sbom.json:application/json`;
    await oras('attach', plain, '--artifact-type', sbomType, `${inner}:v1`, sbom);
    const [referrer] = await referrersOf(repository, (await digest(`${inner}:v1`)).trim());
    assert.equal(referrer?.artifactType, sbomType);
    const signature = ['--artifact-type', signatureType, `${inner}@${referrer.digest}`, 'signature.txt'];
    await oras('attach', plain, ...signature);
    return `${inner}:v1`;
  }

  const digest = async (reference: string) => await oras('resolve', plain, reference);

  async function referrersOf(repository: string, of: string) {
    const list = await fetch(`${pair.urls(repository).inner}/referrers/${of}`);
    return ((await list.json()) as { manifests: { digest: string; artifactType: string }[] }).manifests;
  }

  /** What `oras discover` says refers to it, and to that, as types and digests. */
  async function discovered(reference: string): Promise<readonly string[]> {
    const text = await oras('discover', plain, '--format', 'json', reference);
    return [...text.matchAll(/"(artifactType|digest)": *"([^"]+)"/g)].map(
      ([, key, value]) => `${key} ${value}`,
    );
  }

  it('pushes files and pulls them back byte for byte, from a cache in front too', async () => {
    await pushed('test/files');
    for (const [at, name] of Object.entries(pair.names('test/files'))) {
      const into = `pulled-${at}`;
      await oras('pull', plain, `${name}:v1`, '-o', into);
      for (const file of ['one.bin', 'two.json'] as const)
        assert.deepEqual(
          digestOf(await readFile(join(folder, into, file))),
          digestOf(content[file]),
          `${file} of ${at}`,
        );
    }
  });

  it('attaches, and finds what is attached to that too, through a cache as well', async () => {
    await pushed('test/tree');
    const { inner, outer } = pair.names('test/tree');
    const found = await discovered(`${inner}:v1`);
    assert.ok(found.includes(`artifactType ${sbomType}`) && found.includes(`artifactType ${signatureType}`));
    assert.deepEqual(await discovered(`${outer}:v1`), found);
    const only = ['--artifact-type', 'application/vnd.test.nothing'];
    const none = await oras('discover', plain, '--format', 'json', ...only, `${inner}:v1`);
    assert.ok(!none.includes(sbomType), none);
  });

  it('copies all that refers to an artifact: between repositories, out of a cache, into a layout and back', async () => {
    const from = await pushed('test/source');
    const { inner: source, outer } = pair.names('test/source');
    const of = (await digest(from)).trim();
    await oras('copy', '-r', ...between, from, `${pair.names('test/copy').inner}:v1`);
    await oras('copy', '-r', ...between, `${outer}:v1`, `${pair.names('test/back').inner}:v1`);
    await oras('copy', '-r', '--from-plain-http', '--to-oci-layout', `${source}:v1`, 'layout:v1');
    await oras(
      'copy',
      '-r',
      '--from-oci-layout',
      '--to-plain-http',
      'layout:v1',
      `${pair.names('test/again').inner}:v1`,
    );
    const sent = await readImage(pair.urls('test/source').inner, 'v1');
    const referrers = await referrersOf('test/source', of);
    for (const repository of ['test/copy', 'test/back', 'test/again']) {
      assert.deepEqual(await readImage(pair.urls(repository).inner, 'v1'), sent, repository);
      assert.deepEqual(await referrersOf(repository, of), referrers, repository);
      const name = `${pair.names(repository).inner}:v1`;
      assert.deepEqual(await discovered(name).then(withoutNames), await discovered(from).then(withoutNames));
    }
  });

  it('pushes, fetches and deletes blobs and manifests', async () => {
    const { inner, outer } = pair.names('test/parts');
    await pushed('test/parts');
    const blob = digestOf(content['signature.txt']);
    await oras('blob', 'push', plain, inner, 'signature.txt');
    for (const name of [inner, outer]) {
      await oras('blob', 'fetch', plain, '--output', 'fetched', `${name}@${blob}`);
      assert.deepEqual(await readFile(join(folder, 'fetched')), content['signature.txt']);
    }
    const manifest = await oras('manifest', 'fetch', plain, `${inner}:v1`);
    await writeFile(join(folder, 'manifest.json'), manifest);
    await oras('manifest', 'push', plain, `${inner}:pushed`, 'manifest.json');
    assert.equal(await digest(`${inner}:pushed`), await digest(`${inner}:v1`));
    assert.equal(await oras('manifest', 'fetch', plain, `${outer}:pushed`), manifest);
    await oras('blob', 'push', plain, pair.names('test/alone').inner, 'sbom.json');
    const alone = `${pair.names('test/alone').inner}@${digestOf(content['sbom.json'])}`;
    await oras('blob', 'delete', plain, '--force', alone);
    await assert.rejects(oras('blob', 'fetch', plain, '--output', 'gone', alone), /not found|404/i);
    await oras('manifest', 'delete', plain, '--force', `${inner}@${(await digest(`${inner}:v1`)).trim()}`);
    await assert.rejects(digest(`${inner}:v1`), /not found|404/i);
  });

  it('makes an index, tags, and lists tags and repositories', async () => {
    const { inner, outer } = pair.names('test/lists');
    await pushed('test/lists');
    await oras('tag', plain, `${inner}:v1`, 'v2', 'v3');
    await oras('manifest', 'index', 'create', plain, `${inner}:all`, 'v1', 'v2');
    for (const name of [inner, outer]) {
      const tags = (await oras('repo', 'tags', plain, name)).split('\n').filter(Boolean);
      assert.deepEqual(tags.toSorted(), ['all', 'v1', 'v2', 'v3']);
    }
    const index = await readImage(pair.urls('test/lists').inner, 'all');
    assert.deepEqual(await readImage(pair.urls('test/lists').outer, 'all'), index);
    const repositories = (await oras('repo', 'ls', plain, pair.inner.host)).split('\n');
    assert.ok(repositories.includes('test/lists'), repositories.join(' '));
    assert.match(await oras('repo', 'ls', plain, `${pair.inner.host}/test/`), /^lists$/m);
  });

  it('takes a folder as an artifact, and gives it back', async () => {
    await mkdir(join(folder, 'folder/deep'), { recursive: true });
    await writeFile(join(folder, 'folder/deep/file'), content['one.bin']);
    const { inner, outer } = pair.names('test/folder');
    await oras('push', plain, `${inner}:v1`, 'folder');
    for (const [into, name] of Object.entries({ inner, outer })) {
      await oras('pull', plain, `${name}:v1`, '-o', `folder-${into}`);
      const file = await readFile(join(folder, `folder-${into}`, 'folder/deep/file'));
      assert.equal(digestOf(file), digestOf(content['one.bin']));
    }
  });
});

/** Digests and types say the same wherever they are. */
function withoutNames(found: readonly string[]): readonly string[] {
  return found.toSorted();
}
