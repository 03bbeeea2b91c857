import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { extract } from 'tar-stream';
import { tarEnd, tarHeader, tarPadding, tarSize } from '#src/bundle/tar-format.ts';

/** What another reader makes of a tar. */
async function read(tar: Buffer): Promise<[string, number, string, string][]> {
  const reader = extract();
  reader.end(tar);
  const found: [string, number, string, string][] = [];
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const { name, size, type } = entry.header;
    found.push([name, size, type, Buffer.concat(chunks).toString()]);
  }
  return found;
}

function entry(path: string, text: string): Buffer {
  const size = Buffer.byteLength(text);
  const bytes = Buffer.concat([tarHeader(path, size), Buffer.from(text), tarPadding(size)]);
  assert.equal(bytes.length, tarSize(path, size));
  return bytes;
}

describe('a tar', () => {
  it('is read by others: short and long paths, sizes of a block and beside it', async () => {
    const files = [
      ['index.json', 'x'],
      [`blobs/sha256/${'a'.repeat(64)}`, 'y'.repeat(512)],
      [`blobs/sha512/${'b'.repeat(128)}`, 'z'.repeat(513)],
      ['empty', ''],
    ] as const;
    const tar = Buffer.concat([...files.map(([path, text]) => entry(path, text)), tarEnd]);
    assert.deepEqual(
      await read(tar),
      files.map(([path, text]) => [path, text.length, 'file', text]),
    );
  });

  it('says a size that eleven octal digits do not hold', () => {
    const header = tarHeader('x', 2 ** 40);
    assert.equal(header.length, 3 * 512);
    assert.match(header.toString('latin1', 512, 1024), /^(\d+) size=1099511627776\n/);
    assert.equal(
      header.toString('latin1', 512).indexOf('\n') + 1,
      Number.parseInt(header.toString('latin1', 512), 10),
    );
    assert.equal(tarHeader('x', 2 ** 33 - 1).length, 512);
  });
});
