import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { ImageInput } from '#src/load/image-input.ts';
import { ListReader } from '#src/load/list-reader.ts';

const limits = { maxBytes: 4_000_000, maxJsonValues: 1_000_000, maxYamlChars: 4_000_000 };

function piped(name: string, text: string): ImageInput {
  return { name, kind: 'text', bytes: Readable.from([Buffer.from(text)]) };
}

async function namesOf(reader: ListReader, input: ImageInput): Promise<string[]> {
  const names: string[] = [];
  for await (const { text, at } of (await reader.read(input)).images) names.push(`${at} ${text}`);
  return names;
}

describe('a large file of images', () => {
  it('costs nobody else anything where it takes more memory than there is for it', async () => {
    await using reader = new ListReader(limits, 16);
    const text = `items: [${'[],'.repeat(60_000)}1]\n`;
    await assert.rejects(reader.read(piped('a.yaml', text)), {
      name: 'LoadError',
      message: '"a.yaml" cannot be read: it takes more memory than there is for it: have it in several files',
    });
    const list = Array.from({ length: 2000 }, (_, at) => `quay.io/a/a:${at}\n`).join('');
    const names = await namesOf(reader, piped('b.txt', list));
    assert.deepEqual([names.length, names[1999]], [2000, 'b.txt:2000 quay.io/a/a:1999']);
  });

  it('is not read where it is larger than what is read', async () => {
    await using reader = new ListReader({ ...limits, maxBytes: 100_000 });
    await assert.rejects(
      reader.read(piped('-', 'a'.repeat(100_001))),
      /"-" cannot be read: larger than 100000 bytes/,
    );
  });

  it('is not taken for read where its reader dies in between, and the next one is read', async () => {
    const started: Worker[] = [];
    const note = (thread: Worker): void => void started.push(thread);
    process.on('worker', note);
    try {
      await using reader = new ListReader(limits);
      const list = Array.from({ length: 3000 }, (_, at) => `quay.io/a/a:${at}\n`).join('');
      const { images } = await reader.read(piped('a.txt', list));
      await started[0]?.terminate();
      await assert.rejects(Array.fromAsync(images), /"a.txt" cannot be read: its reader has ended/);
      assert.equal((await namesOf(reader, piped('b.txt', list))).length, 3000);
      await started[1]?.terminate();
      assert.equal((await namesOf(reader, piped('c.txt', list))).length, 3000);
    } finally {
      process.off('worker', note);
    }
  });

  it('leaves the thread to the next one, however far it was read', async () => {
    await using reader = new ListReader(limits);
    const list = (from: string) => Array.from({ length: 3000 }, (_, at) => `${from}/a:${at}\n`).join('');
    for await (const { text } of (await reader.read(piped('a.txt', list('quay.io')))).images)
      if (text.endsWith(':700')) break;
    const names = await namesOf(reader, piped('b.txt', list('ghcr.io')));
    assert.deepEqual([names.length, names[0]], [3000, 'b.txt:1 ghcr.io/a:0']);
  });
});
