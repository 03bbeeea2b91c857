import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { JsonReader } from '#src/json/json-reader.ts';
import { Fault } from '#src/oci/fault.ts';
import { readings } from '#src/oci/readings.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const tagPage = (count: number) =>
  Buffer.from(
    JSON.stringify({ tags: Array.from({ length: count }, (_, at) => `v1.${at}-${'x'.repeat(at % 90)}`) }),
  );
const index = (count: number) => {
  const one = { mediaType: 'application/x', size: 1, annotations: { by: 'us' } };
  return Buffer.from(
    JSON.stringify({
      manifests: Array.from({ length: count }, (_, at) => ({
        ...one,
        digest: `sha256:${String(at).padStart(64, '0')}`,
      })),
    }),
  );
};

/** The longest text that is parsed in this thread. */
function longestParsed(t: TestContext): () => number {
  const { mock } = t.mock.method(JSON, 'parse');
  return () => Math.max(0, ...mock.calls.map((call) => String(call.arguments[0]).length));
}

describe('JSON that is large', () => {
  it('is read in another thread, and what was read comes over in pieces', async (t) => {
    const reader = new JsonReader();
    const longest = longestParsed(t);
    const page = await reader.read('a', 'tags', tagPage(50_000), 100_000);
    const list = await reader.read('a', 'referrers', index(5000), undefined, digest as never, 10_000);
    const manifest = await reader.read('a', 'manifest', index(900), undefined);
    assert.ok(longest() < 70_000, String(longest()));
    assert.equal(reader.hasThread, true);
    assert.deepEqual(page, readings.tags(tagPage(50_000), 100_000));
    assert.deepEqual(list, readings.referrers(index(5000), undefined, digest as never, 10_000));
    assert.deepEqual(manifest, readings.manifest(index(900), undefined));
  });

  it('is read here where it is small', async () => {
    const reader = new JsonReader();
    assert.equal((await reader.read('a', 'tags', tagPage(100), 100)).items.length, 100);
    assert.equal(reader.hasThread, false);
  });

  it('leaves the bytes to whoever has them', async () => {
    const bytes = tagPage(10_000);
    const before = Buffer.from(bytes);
    await new JsonReader().read('a', 'tags', bytes.subarray(0), 100_000);
    assert.deepEqual(bytes, before);
  });

  it('is refused as it would be here', async () => {
    const reader = new JsonReader();
    for (const [text, message] of [
      ['x'.repeat(100_000), 'a manifest that is not JSON'],
      [`${'['.repeat(100_000)}`, 'a manifest that nests too deep'],
      [`[${'{},'.repeat(300_000)}{}]`, 'a manifest of more than 250000 values'],
      [
        `{"layers":[],"manifests":["${'x'.repeat(100_000)}"]}`,
        'an ambiguous manifest: both "layers" and "manifests"',
      ],
    ] as const) {
      await assert.rejects(reader.read('a', 'manifest', Buffer.from(text), undefined), new Fault(message));
    }
  });

  it('is refused for now where too much of one registry waits, and others are read before the rest of it', async () => {
    const reader = new JsonReader();
    const text = Buffer.from(`{"tags":["${'x'.repeat(7 * 1024 * 1024)}"]}`);
    const order: string[] = [];
    const read = async (owner: string): Promise<void> => {
      await reader.read(owner, 'tags', text, 1);
      order.push(owner);
    };
    // One is read, three wait.
    const readings = ['a', 'a', 'a', 'a'].map(read);
    await assert.rejects(read('a'), { code: 'UNAVAILABLE', status: 503, headers: { 'Retry-After': '1' } });
    readings.push(read('b'));
    await Promise.all(readings);
    assert.deepEqual(order, ['a', 'a', 'b', 'a', 'a']);
  });

  it('keeps no process from its end', async () => {
    const file = join(import.meta.dirname, '../../../src/json/json-reader.ts');
    const program = `
      const { jsonReader } = await import(${JSON.stringify(file)});
      const { head } = await jsonReader.read('a', 'tags', Buffer.from('{"tags":["' + 'x'.repeat(100_000) + '"]}'), 1);
      console.log(head.entries);`;
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      timeout: 60_000,
    });
    assert.equal((await run).stdout.trim(), '1');
  });
});
