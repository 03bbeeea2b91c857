import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readImage } from '../e2e/support/content.ts';
import { crane } from '../e2e/support/crane.ts';
import { type HostingPair, hostingPair } from '../e2e/support/hosting-pair.ts';
import { makeLayer, pushImage } from '../e2e/support/images.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs } from '../setup/needs.ts';
import { inFolder } from './in-folder.ts';

/** Nobody outside is asked. */
const offline = ['--tlog-upload=false', '--yes'];
const unlogged = ['--insecure-ignore-tlog=true', '--private-infrastructure=true'];
const referring = ['--registry-referrers-mode=oci-1-1'];
const predicateType = 'https://example.com/test/v1';

describe('cosign', needs('cosign', 'crane'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let pair: HostingPair;
  let folder: string;
  let cosign: (...args: readonly string[]) => Promise<string>;

  before(async () => {
    pair = resources.use(await hostingPair());
    folder = resources.use(await temporaryDirectory()).path;
    cosign = inFolder('cosign', folder, { COSIGN_PASSWORD: '', COSIGN_EXPERIMENTAL: '1' });
    for (const name of ['ours', 'theirs']) await cosign('generate-key-pair', '--output-key-prefix', name);
    await writeFile(join(folder, 'predicate.json'), '{"checked":true}');
  });

  /** An image; its names by digest, at both. */
  async function image(repository: string): Promise<{ readonly inner: string; readonly outer: string }> {
    const { inner, outer } = pair.names(repository);
    const layers = [await makeLayer(folder, 'layer', 100_000)];
    await pushImage({ reference: `${inner}:v1`, layers, format: 'oci' });
    const { digest } = await readImage(pair.urls(repository).inner, 'v1');
    return { inner: `${inner}@${digest}`, outer: `${outer}@${digest}` };
  }

  async function tags(repository: string): Promise<string[]> {
    return (await crane('ls', pair.names(repository).inner)).split('\n').filter(Boolean);
  }

  async function referrerTypes(repository: string): Promise<string[]> {
    const { inner } = pair.urls(repository);
    const { digest } = await readImage(inner, 'v1');
    const list = await fetch(`${inner}/referrers/${digest}`);
    const { manifests } = (await list.json()) as { manifests: { artifactType: string }[] };
    return manifests.map(({ artifactType }) => artifactType);
  }

  it('signs by a tag and verifies, through a cache too; nobody else’s key will do', async () => {
    const { inner, outer } = await image('test/signed');
    await assert.rejects(cosign('verify', '--key', 'ours.pub', ...unlogged, inner), /no signatures found/);
    await cosign('sign', '--key', 'ours.key', ...offline, inner);
    assert.deepEqual((await tags('test/signed')).filter((tag) => tag.endsWith('.sig')).length, 1);
    assert.deepEqual(await referrerTypes('test/signed'), []);
    for (const name of [inner, outer]) {
      assert.match(
        await cosign('verify', '--key', 'ours.pub', ...unlogged, name),
        /cosign container image signature/,
      );
      await assert.rejects(
        cosign('verify', '--key', 'theirs.pub', ...unlogged, name),
        /no matching signatures/,
      );
    }
  });

  it('signs once more beside the first signature', async () => {
    const { inner, outer } = await image('test/twice');
    for (const key of ['ours.key', 'theirs.key']) await cosign('sign', '--key', key, ...offline, inner);
    for (const name of [inner, outer])
      for (const key of ['ours.pub', 'theirs.pub']) await cosign('verify', '--key', key, ...unlogged, name);
  });

  it('signs by a referrer, and needs no tag for it', async () => {
    const { inner, outer } = await image('test/referring');
    await cosign('sign', '--key', 'ours.key', ...referring, ...offline, inner);
    assert.deepEqual(await tags('test/referring'), ['v1']);
    assert.equal((await referrerTypes('test/referring')).length, 1);
    const newer = ['--experimental-oci11=true', ...unlogged];
    for (const name of [inner, outer]) {
      await cosign('verify', '--key', 'ours.pub', ...newer, name);
      await assert.rejects(cosign('verify', '--key', 'theirs.pub', ...newer, name));
    }
  });

  it('attests, and verifies what was attested', async () => {
    const { inner, outer } = await image('test/attested');
    const predicate = ['--predicate', 'predicate.json', '--type', predicateType];
    await cosign('attest', '--key', 'ours.key', ...predicate, ...offline, inner);
    for (const name of [inner, outer]) {
      const verify = ['--key', 'ours.pub', '--type', predicateType, ...unlogged];
      const envelope = JSON.parse(await cosign('verify-attestation', ...verify, name)) as { payload: string };
      const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString()) as {
        predicateType: string;
      };
      assert.equal(statement.predicateType, predicateType);
      assert.match(await cosign('tree', name), /attest/i);
    }
  });

  it('copies an image with its signatures and attestations, out of a cache too', async () => {
    const { inner, outer } = await image('test/source');
    await cosign('sign', '--key', 'ours.key', ...offline, inner);
    for (const [from, to] of [
      [inner, 'test/copy'],
      [outer, 'test/back'],
    ] as const) {
      const copy = `${pair.names(to).inner}:v1`;
      await cosign('copy', from, copy);
      await cosign('verify', '--key', 'ours.pub', ...unlogged, copy);
      assert.deepEqual(
        await readImage(pair.urls(to).inner, 'v1'),
        await readImage(pair.urls('test/source').inner, 'v1'),
      );
    }
  });
});
