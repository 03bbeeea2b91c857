import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask, codeOf, serveRegistry } from '#test/fakes/registry-server.ts';

const name = 'docker.io/library/alpine';
const page = resolve(import.meta.dirname, '../../../docs/reference/http.md');
const row = /^\| `(GET|HEAD|PUT|POST|DELETE) ([^`]+)` \| (?:`([^:`]+): ([^`]+)` )?\| (\d{3}) \| (.*) \|$/;

describe('docs/reference/http.md', () => {
  it('says of each request what the router answers', async () => {
    const registry = new MemoryRegistry();
    const image = putImage(registry, repository(name), 'v1', [bytes(5000)]);
    const words: Record<string, string> = {
      '<name>': name,
      '<tag>': 'v1',
      '<manifest>': image.manifest.digest,
      '<blob>': image.layers[0]?.digest ?? '',
      '<other>': `sha256:${'0'.repeat(64)}`,
    };
    const filled = (text = '') => text.replaceAll(/<\w+>/g, (word) => words[word] ?? word);
    await using server = await serveRegistry(registry);
    const lines = (await readFile(page, 'utf8')).split('\n');
    const rows = lines.map((line) => row.exec(line)).filter((match) => match !== null);
    assert.equal(rows.length, lines.filter((line) => /^\| `[A-Z]+ \//.test(line)).length);
    assert.ok(rows.length > 25);
    for (const [line, method = '', path, header, value, status, says = ''] of rows) {
      const headers = header === undefined ? {} : { [header]: filled(value) };
      const answer = await ask(server, filled(path), { method, headers });
      assert.equal(answer.status, Number(status), line);
      const [, code] = /^`([A-Z_]+)`/.exec(says) ?? [];
      if (code !== undefined) assert.equal(codeOf(answer), code, line);
    }
  });
});
