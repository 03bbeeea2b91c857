import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { digestOf } from '../e2e/support/content.ts';
import { type HostingPair, hostingPair } from '../e2e/support/hosting-pair.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs } from '../setup/needs.ts';
import { inFolder } from './in-folder.ts';

const plain = '--plain-http';

describe('helm', needs('helm'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let pair: HostingPair;
  let folder: string;
  let helm: (...args: readonly string[]) => Promise<string>;

  before(async () => {
    pair = resources.use(await hostingPair());
    folder = resources.use(await temporaryDirectory()).path;
    helm = inFolder('helm', folder);
    await helm('create', 'shop');
  });

  /** The file of a chart of that version. */
  async function packaged(version: string): Promise<string> {
    const into = `packaged-${version}`;
    await helm('package', 'shop', '--version', version, '--destination', into);
    return join(into, `shop-${version}.tgz`);
  }

  async function pushed(repository: string, version: string): Promise<string> {
    const file = await packaged(version);
    await helm('push', file, `oci://${pair.names(repository).inner}`, plain);
    return digestOf(await readFile(join(folder, file)));
  }

  async function madeFolder(into: string): Promise<string> {
    await mkdir(join(folder, into));
    return into;
  }

  it('pushes a chart and pulls it back byte for byte, from a cache in front too', async () => {
    const sent = await pushed('test/charts', '1.2.3');
    for (const [at, name] of Object.entries(pair.names('test/charts'))) {
      const into = await madeFolder(`pulled-${at}`);
      await helm('pull', `oci://${name}/shop`, '--version', '1.2.3', plain, '--destination', into);
      assert.equal(digestOf(await readFile(join(folder, into, 'shop-1.2.3.tgz'))), sent, at);
    }
  });

  it('takes the newest of those that are there where no version is said', async () => {
    for (const version of ['0.9.0', '0.10.0']) await pushed('test/newest', version);
    for (const [at, name] of Object.entries(pair.names('test/newest'))) {
      const into = await madeFolder(`newest-${at}`);
      await helm('pull', `oci://${name}/shop`, plain, '--destination', into);
      assert.deepEqual(await readdir(join(folder, into)), ['shop-0.10.0.tgz']);
    }
  });

  it('shows a chart, and makes a release of it', async () => {
    await pushed('test/shown', '2.0.0+build.1');
    for (const name of Object.values(pair.names('test/shown'))) {
      const chart = [`oci://${name}/shop`, '--version', '2.0.0+build.1', plain];
      assert.match(await helm('show', 'chart', ...chart), /^version: 2\.0\.0\+build\.1$/m);
      assert.match(await helm('show', 'values', ...chart), /^replicaCount: /m);
      assert.match(await helm('template', 'release', ...chart), /^kind: Deployment$/m);
    }
  });

  it('brings a chart that another one depends on', async () => {
    await pushed('test/parts', '3.0.0');
    const { outer } = pair.names('test/parts');
    await helm('create', 'mall');
    const file = join(folder, 'mall/Chart.yaml');
    const depends = `\ndependencies:\n  - { name: shop, version: 3.0.0, repository: "oci://${outer}" }\n`;
    await writeFile(file, (await readFile(file, 'utf8')) + depends);
    await helm('dependency', 'update', 'mall', plain);
    assert.deepEqual(await readdir(join(folder, 'mall/charts')), ['shop-3.0.0.tgz']);
  });
});
