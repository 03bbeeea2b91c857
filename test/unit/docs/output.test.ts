import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { textOf } from '#src/doctor/report.ts';
import { metrics, prefix } from '#src/observe/metric-table.ts';
import { blocksOf } from '#test/docs/attribution.ts';
import { placeOf, root } from '#test/docs/block.ts';

/** The words at the beginnings of the lines of a report, as the program writes them. */
function labels(): Set<string> {
  const settings = { rule: '', origin: '', proxy: '', tls: '', credential: '', accounts: '', mirrors: '' };
  const steps = (['ok', 'failed', 'needless', 'unproved', 'skipped'] as const).map(
    (status) => ({ name: 'answer', status, detail: '' }) as const,
  );
  const written = textOf({
    subject: 's',
    status: 'failed',
    settings,
    steps,
    notes: [''],
    notProved: '',
  });
  return new Set(written.split('\n').map((line) => line.trim().split(/\s+/)[0] ?? ''));
}

for (const block of await blocksOf('doctor')) {
  describe(`the report at ${placeOf(block)}`, () => {
    it('has the words of a report', () => {
      const known = new Set([...labels(), '->', '…']);
      const lines = block.text.split('\n').filter((line) => line.startsWith('  '));
      assert.ok(lines.length > 5);
      for (const line of lines) assert.ok(known.has(line.trim().split(/\s+/)[0] ?? ''), line);
    });
  });
}

for (const block of await blocksOf('metrics')) {
  describe(`the metrics at ${placeOf(block)}`, () => {
    it('are there', () => {
      const names = new Set(Object.values(metrics).map(({ name }) => prefix + name));
      for (const line of block.text.trim().split('\n')) assert.ok(names.has(line.replace(/\{.*/, '')), line);
    });
  });
}

for (const block of await blocksOf('picture')) {
  describe(`the picture at ${placeOf(block)}`, () => {
    it('names rooms that are there', () => {
      const rooms = [...block.text.matchAll(/\bsrc\/[\w/]+/g)].map(([path]) => path);
      assert.ok(rooms.length > 5);
      for (const room of rooms) assert.ok(existsSync(join(root, room)), room);
    });
  });
}
