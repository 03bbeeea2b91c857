import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { imagesToLoad } from '#src/app/load.ts';
import { loadConfig } from '#src/config/load.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const { config } = await loadConfig({
  flags: { registries: [{ name: 'registry.internal:5000', alias: 'internal' }] },
  env: {},
});

async function* stdin(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

interface Found {
  readonly images?: string[];
  readonly problems?: string[];
  readonly archives?: string[];
  readonly thrown?: string;
}

/** What is to be loaded of files with these contents, by a list of names in which `DIR` is where they are. */
async function load(
  files: Readonly<Record<string, string | Uint8Array>>,
  names = 'DIR/images.txt',
  input = '',
): Promise<Found> {
  await using directory = await temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(directory.path, name, '..'), { recursive: true });
    await writeFile(join(directory.path, name), text);
  }
  const here = (text: string): string => text.replaceAll(directory.path, 'DIR');
  try {
    const found = await imagesToLoad(config, names.replaceAll('DIR', directory.path), stdin(input));
    const images = found.images.map(({ repository, reference }) => `${repository} ${reference}`);
    const archives = found.archives.map(({ name, kind }) => `${kind} ${here(name)}`);
    return { images, problems: found.problems.map(here), ...(archives.length > 0 && { archives }) };
  } catch (error) {
    assert.ok(error instanceof Error);
    return { thrown: here(error.message) };
  }
}

const digest = `sha256:${'a'.repeat(64)}`;

describe('a list of images', () => {
  it('has a name in a line, between comments and empty lines', async () => {
    const text = `\uFEFF# what we run\r\n\r\ndocker.io/alpine:3 # small\r\n  ghcr.io/org/app@${digest}\ninternal/team/app\n#`;
    assert.deepEqual(await load({ 'images.txt': text }), {
      images: [
        'docker.io/library/alpine 3',
        `ghcr.io/org/app ${digest}`,
        'registry.internal:5000/team/app latest',
      ],
      problems: [],
    });
  });

  it('names each image once, however it is spelt', async () => {
    const text = 'docker.io/alpine:3\ndocker.io/library/alpine:3\nindex.docker.io/library/alpine:3';
    assert.deepEqual((await load({ 'images.txt': text })).images, ['docker.io/library/alpine 3']);
  });

  it('loses nothing but its junk, which is named by its line', async () => {
    const text = 'docker.io/alpine:3\n\nnot a name\ndocker.io/a:b:c\nghcr.io/a/b@sha256:12\nquay.io/a/b:1\n';
    const { images, problems } = await load({ 'images.txt': text });
    assert.deepEqual(images, ['docker.io/library/alpine 3', 'quay.io/a/b 1']);
    assert.deepEqual(
      problems?.map((problem) => problem.slice(0, problem.indexOf(': '))),
      ['DIR/images.txt:3', 'DIR/images.txt:4', 'DIR/images.txt:5'],
    );
  });

  it('is one of several, of a pattern, or standard input', async () => {
    const files = { 'a.txt': 'quay.io/a/a:1', 'b1.list': 'quay.io/b/b:1', 'b2.list': 'quay.io/b/b:2' };
    const { images } = await load(files, 'DIR/a.txt, DIR/b*.list,-', 'quay.io/c/c:1');
    assert.deepEqual(images, ['quay.io/a/a 1', 'quay.io/b/b 1', 'quay.io/b/b 2', 'quay.io/c/c 1']);
  });

  it('is an error where a name is nothing’s or nothing is named', async () => {
    assert.deepEqual(await load({}, 'DIR/none.txt'), { thrown: 'no files matched "DIR/none.txt"' });
    assert.deepEqual(await load({}, 'DIR/*.txt'), { thrown: 'no files matched "DIR/*.txt"' });
    assert.deepEqual(await load({ 'images.txt': '# none' }), {
      thrown: 'no image is named in DIR/images.txt',
    });
    assert.deepEqual(await load({ 'a/x.md': '' }, 'DIR/a'), {
      thrown: '"DIR/a" has no manifests (.yaml, .yml, .json)',
    });
  });

  it('is not what a tar or a layout is taken for', async () => {
    const files = { 'a.tar': Buffer.from('1f8b08', 'hex'), 'b.txt': 'quay.io/a/a:1', 'c/oci-layout': '{}' };
    const { images, problems, archives } = await load(files, 'DIR/a.tar,DIR/b.txt,DIR/c');
    assert.deepEqual([images, problems], [['quay.io/a/a 1'], []]);
    assert.deepEqual(archives, ['archive DIR/a.tar', 'layout DIR/c']);
  });
});

const pods = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      kind: 'Pod',
      spec: {
        initContainers: [{ name: 'i', image: 'busybox' }],
        containers: [
          { name: 'c', image: 'nginx:1.25' },
          { name: 'd', image: `registry.k8s.io/pause@${digest}` },
        ],
        ephemeralContainers: [{ name: 'e', image: 'internal/debug:1' }],
        volumes: [
          { name: 'v', image: { reference: 'quay.io/data/model:v2' } },
          { name: 'w', emptyDir: {} },
        ],
      },
      status: { containerStatuses: [{ image: 'not/this:1' }] },
    },
    { kind: 'Pod', spec: { containers: [{ name: 'c', image: 'nginx:1.25' }] } },
  ],
};

describe('what a cluster has', () => {
  it('is every image of its pods, by Kubernetes’ rule of names', async () => {
    const { images, problems } = await load({ 'images.txt': JSON.stringify(pods, undefined, 2) });
    assert.deepEqual(problems, []);
    assert.deepEqual(
      images?.toSorted(),
      [
        'docker.io/internal/debug 1',
        'docker.io/library/busybox latest',
        'docker.io/library/nginx 1.25',
        'quay.io/data/model v2',
        `registry.k8s.io/pause ${digest}`,
      ].toSorted(),
    );
  });

  it('is in a folder of manifests, of which each may have several, and one may be wrong', async () => {
    const deployment = (image: string) =>
      `kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n        - image: ${image}\n`;
    const cron = `kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{image: "quay.io/c/c:1"}]}}}}}\n`;
    const { images, problems } = await load(
      {
        'k/a.yaml': `---\n${deployment('quay.io/a/a:1')}---\n${cron}`,
        'k/deep/b.yml': `kind: X\n---\n{{ .Values.broken: [\n---\n${deployment('quay.io/b/b:1')}`,
        'k/c.json': '{"kind": "Pod", "spec": {"containers": [{"image": "quay.io/d/d:1"}]}}',
        'k/e.json': '{"kind": ',
        'k/README.md': 'quay.io/no/no:1',
      },
      'DIR/k',
    );
    assert.deepEqual(images?.toSorted(), [
      'quay.io/a/a 1',
      'quay.io/b/b 1',
      'quay.io/c/c 1',
      'quay.io/d/d 1',
    ]);
    assert.deepEqual(
      problems?.map((problem) => /^"?DIR\/k\/([\w/.]+(?::\d+)?)/.exec(problem)?.[1]),
      ['deep/b.yml:2', 'e.json'],
    );
  });
});
