import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { content } from '#test/fakes/upstream-answers.ts';

const mebibyte = 1024 * 1024;
/** What one turn of the event loop may parse or write of a list: a piece, and the entry that it ends with. */
const piece = 160 * 1024;

/** Entries up to so many bytes, between what stands around them. */
function filled(size: number, around: readonly [string, string], entry: (at: number) => string): string {
  const entries: string[] = [];
  for (let length = 0; length < size; length += (entries.at(-1) ?? '').length + 1)
    entries.push(entry(entries.length));
  return `${around[0]}${entries.join(',')}${around[1]}`;
}

const hex = (at: number): string => String(at).padStart(64, '0');
const layer = (at: number): string => `{"digest":"sha256:${hex(at)}","size":1}`;

/** The program before an upstream that gives one answer to everything. */
async function before(body: string, type: string) {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  upstream.faults.push(() => content(body, type));
  const log = new LogLines();
  const registries = [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }];
  const app = stack.use(await runApp({ imagePath: directory.path, registries }, { log }));
  return { app, upstream, log, [Symbol.asyncDispose]: async () => await stack.disposeAsync() };
}

/** The longest text that was parsed or written at once in the server's thread. */
function longestText(t: TestContext): () => number {
  const parse = t.mock.method(JSON, 'parse').mock;
  const stringify = t.mock.method(JSON, 'stringify').mock;
  return () => {
    let longest = 0;
    for (const { arguments: texts } of parse.calls) longest = Math.max(longest, String(texts[0]).length);
    for (const { result } of stringify.calls) longest = Math.max(longest, String(result).length);
    return longest;
  };
}

describe('megabytes of JSON from upstream', () => {
  for (const [what, path, type, body, status] of [
    [
      'a page of no tags',
      'tags/list',
      'application/json',
      filled(8 * mebibyte - 100, ['{"tags":[', ']}'], () => '"!"'),
      200,
    ],
    [
      'a page of tags',
      'tags/list',
      'application/json',
      filled(8 * mebibyte - 100, ['{"tags":[', ']}'], (at) => `"t${at * 7}"`),
      200,
    ],
    [
      'a list of no referrers',
      `referrers/sha256:${hex(1)}`,
      ociIndex,
      filled(7 * mebibyte, ['{"manifests":[', ']}'], () => '{}'),
      // There may be some behind what is read of it.
      502,
    ],
    [
      'a list of referrers',
      `referrers/sha256:${hex(1)}`,
      ociIndex,
      filled(7 * mebibyte, ['{"manifests":[', ']}'], layer),
      200,
    ],
    [
      'a manifest of many layers',
      'manifests/v1',
      ociManifest,
      filled(4 * mebibyte - 100, ['{"layers":[', ']}'], layer),
      200,
    ],
    [
      'an index of many manifests',
      'manifests/v1',
      ociIndex,
      filled(4 * mebibyte - 100, ['{"manifests":[', ']}'], layer),
      200,
    ],
    [
      'a manifest of nothing',
      'manifests/v1',
      ociManifest,
      filled(4 * mebibyte - 100, ['{"layers":[', ']}'], () => '{}'),
      502,
    ],
    [
      'a manifest of keys',
      'manifests/v1',
      ociManifest,
      filled(4 * mebibyte - 100, ['{', '}'], (at) => `"k${at}":1`),
      502,
    ],
    [
      'a manifest of one text',
      'manifests/v1',
      ociManifest,
      `{"annotations":{"a":"${'x'.repeat(4 * mebibyte - 100)}"}}`,
      200,
    ],
    ['a manifest of brackets', 'manifests/v1', ociManifest, '['.repeat(4 * mebibyte - 100), 502],
  ] as const) {
    it(`are parsed elsewhere and answered in pieces: ${what}`, async (t) => {
      await using made = await before(body, type);
      const longest = longestText(t);
      const answer = await ask(made.app.server, `/v2/up/team/app/${path}`);
      assert.equal(answer.status, status, answer.body.subarray(0, 300).toString());
      assert.ok(longest() < piece, String(longest()));
      assert.equal(made.upstream.requests.filter(({ path: asked }) => asked.endsWith(path)).length, 1);
    });
  }

  it('of tags are answered with a hundred thousand, and with what to do about the rest', async () => {
    await using made = await before(
      filled(2 * mebibyte, ['{"tags":[', ']}'], (at) => `"t${at}"`),
      'application/json',
    );
    const { headers, body } = await ask(made.app.server, '/v2/up/team/app/tags/list');
    const { tags } = JSON.parse(body.toString()) as { tags: string[] };
    assert.deepEqual(tags, Array.from({ length: 100_000 }, (_, at) => `t${at}`).sort());
    assert.equal(headers['content-length'], String(body.length));
    assert.match(String(headers['warning']), /incomplete/);
    assert.match(String(headers['link']), /last=t99999/);
  });

  it('that are a manifest of many layers are served as they are, and that is logged once', async () => {
    const text = filled(4 * mebibyte - 100, ['{"layers":[', ']}'], layer);
    await using made = await before(text, ociManifest);
    for (let round = 0; round < 2; round += 1) {
      const { headers, body } = await ask(made.app.server, '/v2/up/team/app/manifests/v1');
      assert.deepEqual(
        [sha256(body), headers['docker-content-digest']],
        [sha256(Buffer.from(text)), sha256(body)],
      );
    }
    assert.equal(made.upstream.requests.length, 1);
    assert.equal(made.log.at('warn').filter((line) => line.includes('names more than 1000')).length, 1);
  });
});
