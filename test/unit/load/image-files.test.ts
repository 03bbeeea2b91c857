import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { imagesToLoad } from '#src/app/load.ts';
import { loadConfig } from '#src/config/load.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { tarOf } from '#test/fakes/tars.ts';

const { config } = await loadConfig({
  flags: { registries: [{ name: 'registry.internal:5000', alias: 'internal' }] },
  env: {},
});

/** In pieces, of which the first says little. */
async function* stdin(input: string | Uint8Array): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(input);
  yield bytes.subarray(0, 3);
  yield bytes.subarray(3);
}

interface Found {
  readonly images: string[];
  readonly problems: string[];
  readonly archives?: string[];
}

/** That nothing is, and why. */
function none(words: string): Found {
  return { images: [], problems: [`thrown: ${words}`] };
}

/** What is to be loaded of files with these contents, by a list of names in which `DIR` is where they are. */
async function load(
  files: Readonly<Record<string, string | Uint8Array>>,
  names = 'DIR/images.txt',
  input: string | Uint8Array = '',
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
    return { images: [], problems: [`thrown: ${here(error.message)}`] };
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
      problems.map((problem) => problem.slice(0, problem.indexOf(': '))),
      ['DIR/images.txt:3', 'DIR/images.txt:4', 'DIR/images.txt:5'],
    );
  });

  it('is text: neither a program nor what Windows takes for text', async () => {
    const files = {
      'a.bin': Buffer.from('7f454c460201010000', 'hex'),
      'b.txt': Buffer.from('quay.io/a/a:1', 'utf16le'),
    };
    const { images, problems } = await load({ ...files, 'c.txt': 'quay.io/a/a:1' }, 'DIR/*');
    assert.deepEqual(images, ['quay.io/a/a 1']);
    assert.equal(problems.length, 2);
    assert.equal(problems[1], '"DIR/b.txt" is no text in UTF-8, and no tar');
  });

  it('says of what is written otherwise how it is to be', async () => {
    const { problems } = await load({ 'images.txt': 'https://quay.io/a/b:1\nquay.io/a/b:1 quay.io/a/b:2' });
    assert.deepEqual(problems, [
      'DIR/images.txt:1: "https://quay.io/a/b:1": a name begins with the host of its registry, without anything like https:// before it',
      'DIR/images.txt:2: "quay.io/a/b:1 quay.io/a/b:2": a name has no spaces: one image stands in a line',
    ]);
  });

  it('says of a name without a registry what to write', async () => {
    const { problems } = await load({ 'images.txt': 'nginx:1.25\nintrnal/team/app:1\n' });
    assert.deepEqual(problems, [
      'DIR/images.txt:1: "nginx:1.25": of which registry? Put its host in front (docker.io/library/alpine:3), or configure defaultNs',
      'DIR/images.txt:2: "intrnal/team/app:1": of which registry? Did you mean the alias "internal"? Put its host in front (docker.io/library/alpine:3), or configure defaultNs',
    ]);
  });

  it('is one of several, of a pattern, or standard input', async () => {
    const files = { 'a.txt': 'quay.io/a/a:1', 'b1.list': 'quay.io/b/b:1', 'b2.list': 'quay.io/b/b:2' };
    const { images } = await load(files, 'DIR/a.txt, DIR/b*.list,-', 'quay.io/c/c:1');
    assert.deepEqual(images, ['quay.io/a/a 1', 'quay.io/b/b 1', 'quay.io/b/b 2', 'quay.io/c/c 1']);
  });

  it('is an error where a name is nothing’s or nothing is named', async () => {
    assert.deepEqual(await load({}, 'DIR/none.txt'), none('no files matched "DIR/none.txt"'));
    assert.deepEqual(await load({}, 'DIR/*.txt'), none('no files matched "DIR/*.txt"'));
    assert.deepEqual(await load({ 'images.txt': '# none' }), none('no image is named in DIR/images.txt'));
    assert.deepEqual(
      await load({ 'a/x.md': '' }, 'DIR/a'),
      none('"DIR/a" has no manifests (.yaml, .yml, .json)'),
    );
  });

  it('lacks of a pattern only what cannot be read', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'a.txt'), 'quay.io/a/a:1');
    await symlink('nowhere', join(directory.path, 'dangling.txt'));
    const { images, problems } = await imagesToLoad(config, `${directory.path}/*.txt`, stdin(''));
    assert.equal(images.length, 1);
    assert.deepEqual(problems, [`"${directory.path}/dangling.txt" cannot be read: no such file`]);
  });

  it('is no pipe with a name, which nobody may ever write to', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'pipe');
    execFileSync('mkfifo', [path]);
    const { problems } = await imagesToLoad(config, path, stdin(''));
    assert.deepEqual(problems, [`${JSON.stringify(path)} cannot be read: is no regular file`]);
  });

  it('is judged in time, however strange a line is, and quoted in part', async () => {
    const long = 200_000;
    const lines = [
      `${' #'.repeat(long)}\u2028x`,
      `${'@'.repeat(long)}\u2028x`,
      `quay.io/${'a'.repeat(long)}`,
    ];
    const begun = process.cpuUsage();
    const { images, problems } = await load({ 'images.txt': `${lines.join('\n')}\nquay.io/a/a:1` });
    assert.deepEqual(images, ['quay.io/a/a 1']);
    assert.equal(problems.length, 2);
    for (const problem of problems) assert.ok(problem.length < 500);
    assert.ok(process.cpuUsage(begun).user < 2_000_000);
  });

  it('is not told with the password that stands in it', async () => {
    const text = `me:hunter2@quay.io/a/b:1\nhttps://me:hun/ter2@quay.io/a/b@${digest}\nquay.io/a/a:1`;
    const { images, problems } = await load({ 'images.txt': text });
    assert.deepEqual(images, ['quay.io/a/a 1']);
    assert.equal(problems.length, 2);
    assert.doesNotMatch(problems.join(), /hun|ter2/);
  });

  it('is none where nothing but mistakes stands in it, and is not read to its end', async () => {
    const files = { 'junk.txt': '? junk\n'.repeat(2_000_000), 'images.txt': 'quay.io/a/a:1' };
    const { images, problems } = await load(files, 'DIR/junk.txt,DIR/images.txt');
    assert.deepEqual(images, ['quay.io/a/a 1']);
    assert.equal(problems.length, 1001);
    assert.equal(problems.at(-1), '"DIR/junk.txt" is no list of images: the rest is not read');
  });

  it('may have nothing but lines, but not without end', async () => {
    const files = { 'a.txt': `${'\n'.repeat(10_000_000)}quay.io/a/a:1`, 'b.txt': '\n'.repeat(34_000_000) };
    assert.deepEqual(await load(files, 'DIR/*.txt'), {
      images: ['quay.io/a/a 1'],
      problems: ['"DIR/b.txt" is larger than 33554432 characters, which is no list'],
    });
  });

  it('is not what a tar or a layout is taken for, in a file or from a pipe', async () => {
    const files = { 'a.tar': Buffer.from('1f8b08', 'hex'), 'b.txt': 'quay.io/a/a:1', 'c/oci-layout': '{}' };
    const { images, problems, archives } = await load(files, 'DIR/a.tar,DIR/b.txt,DIR/c');
    assert.deepEqual([images, problems], [['quay.io/a/a 1'], []]);
    assert.deepEqual(archives, ['archive DIR/a.tar', 'layout DIR/c']);
    for (const tar of [gzipSync('x'), zstdCompressSync('x'), await tarOf([['x', 'x']])])
      assert.deepEqual((await load(files, '-,DIR/b.txt', tar)).archives, ['archive -']);
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
      images.toSorted(),
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
    assert.deepEqual(images.toSorted(), ['quay.io/a/a 1', 'quay.io/b/b 1', 'quay.io/c/c 1', 'quay.io/d/d 1']);
    assert.deepEqual(
      problems.map((problem) => /^"?DIR\/k\/([\w/.]+(?::\d+)?)/.exec(problem)?.[1]),
      ['deep/b.yml:3', 'e.json'],
    );
  });

  it('is what a chart makes, out of a pipe: documents with comments, empty ones, lists of objects', async () => {
    const chart = [
      '# Source: app/templates/empty.yaml',
      '---\n# Source: app/templates/deployment.yaml\napiVersion: apps/v1\nkind: StatefulSet\nspec:\n  template:\n    spec:\n      initContainers:\n        - name: i\n          image: "busybox:1.36"\n      containers:\n        - {name: c, image: quay.io/a/a:1, args: ["--image=no/no:1"]}\n      volumes:\n        - name: v\n          image: {reference: "quay.io/data/model:v2", pullPolicy: Always}',
      '---',
      '---\n# Source: app/templates/list.yaml\napiVersion: v1\nkind: List\nitems:\n- kind: CronJob\n  spec:\n    jobTemplate:\n      spec:\n        template:\n          spec:\n            containers:\n            - image: quay.io/b/b@' +
        `${digest}\n- kind: ConfigMap\n  data:\n    image: no/no:2`,
      '---\n# Source: app/templates/NOTES.txt\n...\n',
    ].join('\n');
    const { images, problems } = await load({}, '-', chart);
    assert.deepEqual(problems, []);
    assert.deepEqual(images.toSorted(), [
      'docker.io/library/busybox 1.36',
      'quay.io/a/a 1',
      `quay.io/b/b ${digest}`,
      'quay.io/data/model v2',
    ]);
  });

  it('may lead to itself, in YAML', async () => {
    const text = 'kind: &a\n  self: *a\n  containers: [{image: quay.io/a/a:1, self: *a}]\n';
    assert.deepEqual(await load({ 'a.yaml': text }, 'DIR/a.yaml'), {
      images: ['quay.io/a/a 1'],
      problems: [],
    });
  });

  it('is told where it is wrong, without what stands there: it may be a secret', async () => {
    const { problems } = await load(
      {
        'a.yaml': 'kind: Secret\nx: 1\ndata: "a" hunter2\n',
        'b.yaml': 'kind: Secret\ndata: *hunter2!\n',
        'c.json': '{"kind": "Secret", "data": hunter2}',
      },
      'DIR/a.yaml,DIR/b.yaml,DIR/c.json',
    );
    assert.equal(problems.length, 3);
    assert.match(problems[0] ?? '', /^DIR\/a.yaml:3: no YAML: /);
    assert.match(problems[1] ?? '', /^DIR\/b.yaml:1: no YAML: /);
    assert.doesNotMatch(problems.join(), /unter/);
  });

  it('is too much of YAML where one alone would take all memory', async () => {
    const text = `kind: Pod\nspec: {containers: [{image: quay.io/b/b:1}]}\nx: ${'a'.repeat(17_000_000)}`;
    const { images, problems } = await load(
      { 'a.yaml': `${text}\n---\nspec: {containers: [{image: quay.io/a/a:1}]}` },
      'DIR/a.yaml',
    );
    assert.deepEqual(images, ['quay.io/a/a 1']);
    assert.match(problems[0] ?? '', /^DIR\/a.yaml:1: larger than/);
  });

  it('is in a folder that leads to itself', async () => {
    await using directory = await temporaryDirectory();
    await mkdir(join(directory.path, 'deep'));
    await symlink('..', join(directory.path, 'deep', 'up'));
    await writeFile(
      join(directory.path, 'deep', 'a.json'),
      '{"spec": {"containers": [{"image": "quay.io/a/a:1"}]}}',
    );
    for (const names of [directory.path, `${directory.path}/**/*.json`]) {
      const { images, problems } = await imagesToLoad(config, names, stdin(''));
      assert.deepEqual([images.length, problems], [1, []]);
    }
  });

  it('is read beside whatever else this process does, where it is large', async (t) => {
    const items = Array.from({ length: 3000 }, (_, at) => ({
      spec: { containers: [{ image: `quay.io/a/a:${at}` }] },
    }));
    const documents = items.map(({ spec }) => `---\nspec: ${JSON.stringify(spec)}\n`).join('');
    const parse = t.mock.method(JSON, 'parse');
    for (const [names, input] of [
      ['DIR/a.json', ''],
      ['DIR/a.yaml', ''],
      ['-', JSON.stringify({ items })],
    ] as const) {
      const files = { 'a.json': JSON.stringify({ items }), 'a.yaml': documents };
      const { images, problems } = await load(files, names, input);
      assert.deepEqual([new Set(images).size, problems], [3000, []], names);
    }
    assert.equal(parse.mock.callCount(), 0);
  });

  it('is not begun where it is more than there is memory for', async () => {
    const values = `[${'0,'.repeat(11_000_000)}0]`;
    const { images, problems } = await load(
      { 'a.json': values, 'b.txt': 'quay.io/a/a:1' },
      'DIR/a.json,DIR/b.txt',
    );
    assert.deepEqual(images, ['quay.io/a/a 1']);
    assert.match(problems.join(), /^"DIR\/a.json" has more than \d+ values: have it in several$/);
  });

  it('may be wrong in very many places, of which some are told', async () => {
    const { images, problems } = await load(
      { 'a.yaml': `spec: {containers: [{image: quay.io/a/a:1}]}\n${'---\n{\n'.repeat(3000)}` },
      'DIR/a.yaml',
    );
    assert.deepEqual([images, problems.length], [['quay.io/a/a 1'], 1001]);
    assert.equal(problems.at(-1), 'DIR/a.yaml: the rest of it is not read');
  });
});
