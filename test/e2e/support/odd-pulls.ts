import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { needs } from '../../setup/needs.ts';
import { alias, type Client } from './client.ts';
import { containerd } from './containerd.ts';
import { readImage } from './content.ts';
import { craneClient } from './crane.ts';
import { DockerRegistry } from './docker-registry.ts';
import { assertHolds, takenBy } from './held.ts';
import { makeLayer, pushImage, pushIndex } from './images.ts';
import { Ociregistry } from './ociregistry.ts';
import { type Answer, OddProxy } from './odd-proxy.ts';
import { oddities } from './oddities.ts';
import { podman } from './podman.ts';
import { skopeo } from './skopeo.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** The place of each is part of its seed. */
const clients: readonly Client[] = [skopeo, craneClient, podman, containerd];
/** Another seed is another order of oddities. */
const seed = Number(process.env['ODD_UPSTREAM_SEED'] ?? 1);

/** An index for two platforms, and an image in a repository of its own that has layers of it. */
const images = [
  { repository: 'library/multi', tag: 'v1' },
  { repository: 'library/shared', tag: 'v1' },
] as const;

async function fill({ host }: DockerRegistry): Promise<void> {
  await using directory = await temporaryDirectory();
  const layer = async (name: string, size: number) => await makeLayer(directory.path, name, size);
  const shared = [
    await layer('base', 8 * 1024 * 1024),
    await layer('middle', 700_000),
    await layer('small', 3000),
    await layer('tiny', 10),
  ];
  const perPlatform: string[] = [];
  for (const platform of ['linux/amd64', 'linux/arm64']) {
    const reference = `${host}/library/multi:${platform.replace('/', '-')}`;
    const layers = [...shared, await layer(platform.replace('/', '-'), 300_000)];
    perPlatform.push(await pushImage({ reference, layers, format: 'oci', platform }));
  }
  await pushIndex(`${host}/library/multi:v1`, 'oci', perPlatform);
  const layers = [...shared, await layer('own', 100_000)];
  await pushImage({ reference: `${host}/library/shared:v1`, layers, format: 'oci' });
}

/** These clients, at the same time, in front of an upstream of which each answer may be odd; then it is gone. */
export function describeOddPulls(tried: readonly Client[]): void {
  const options = { ...needs('docker-registry', 'crane'), concurrency: tried.length };
  describe('an upstream that cuts, delays and resumes oddly', options, () => {
    let resources: AsyncDisposableStack;
    let upstream: DockerRegistry;

    before(async () => {
      await using stack = new AsyncDisposableStack();
      upstream = stack.use(await DockerRegistry.start());
      await fill(upstream);
      resources = stack.move();
    });
    after(async () => await resources.disposeAsync());

    for (const client of tried)
      it(`gives ${client.name} whole images, and once`, needs(...client.programs), async () => {
        await pullOddly(client, upstream);
      });
  });
}

async function pullOddly(client: Client, upstream: DockerRegistry): Promise<void> {
  await using proxy = await OddProxy.open(upstream.url, seed * clients.length + clients.indexOf(client));
  const registries = [{ name: proxy.host, scheme: 'http', alias }];
  await using server = await Ociregistry.start({ settings: { registries } });
  const pull = async ({ repository, tag }: (typeof images)[number]) => {
    const content = await readImage(`${upstream.url}/v2/${repository}`, tag);
    const held = await client.pull({ server: server.host, upstream: proxy.host, repository, tag });
    assertHolds(held, client, content);
    const { manifests, blobs } = takenBy(client, content);
    await server.stores(`${alias}/${repository}`, blobs.keys());
    const stored = await server.storedDigests();
    for (const digest of [...manifests.keys(), ...blobs.keys()])
      assert.ok(stored.has(digest), `${digest} is on disk`);
  };

  for (const image of images) await pull(image);
  for (const oddity of oddities) assert.ok(proxy.met.has(oddity), `${oddity} was met`);
  assertAskedInMeasure(proxy.answers);

  await proxy.stop();
  for (const image of images) await pull(image);
}

/** Answers in a row that brought nothing of a blob: five resumes at one byte, each in three forms. */
const mostVain = 15;
/** A HEAD, and where it is a no the first byte, and where that is refused the whole, of which the headers are read. */
const mostToAsk = 3;

/** That what upstream failed to give was asked for a bounded number of times, and what it has given no more. */
function assertAskedInMeasure(answers: readonly Answer[]): void {
  const ofBlobs = answers.filter(({ path }) => path.includes('/blobs/'));
  for (const [path, ofOne = []] of Object.entries(Object.groupBy(ofBlobs, ({ path }) => path))) {
    // What another repository brought is asked about, and not for.
    if (ofOne[0]?.method === 'HEAD') assert.ok(ofOne.length <= mostToAsk, `${path} is asked about`);
    else assertBrought(path, ofOne);
  }
}

function assertBrought(path: string, answers: readonly Answer[]): void {
  let come = 0;
  let vain = 0;
  const has = (end: number) => {
    if (end > come) vain = 0;
    come = Math.max(come, end);
  };
  for (const { method, range, status, first, sent, isReset, size } of answers) {
    assert.ok(method === 'GET' && come < size, `${path} is not asked for again when all of it has come`);
    has(Number(/^bytes=(\d+)/.exec(range ?? '')?.[1] ?? 0));
    vain += 1;
    assert.ok(vain <= mostVain, `${path} is asked for in vain ${vain} times at ${come}`);
    // How much of it has come then, the next range says.
    if (status < 300 && !isReset) has(first + sent);
  }
  assert.equal(come, answers[0]?.size, `all of ${path} has come`);
}
