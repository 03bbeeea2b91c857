import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How many bytes of blobs on their way are on record in the versioned directory, for the next process to go on with. */
export async function recordedBytes(layout: string): Promise<number> {
  const folder = join(layout, 'partial');
  const names = await readdir(folder).catch((): string[] => []);
  const records = names.filter((name) => name.endsWith('.ranges'));
  const totals = records.map(async (name) => await totalOf(join(folder, name)));
  return (await Promise.all(totals)).reduce((sum, total) => sum + total, 0);
}

async function totalOf(record: string): Promise<number> {
  // A record may be replaced while we look.
  const text = await readFile(record, 'utf8').catch(() => '{"ranges":[]}');
  const { ranges } = JSON.parse(text) as { ranges: [number, number][] };
  return ranges.reduce((sum, [first, last]) => sum + last + 1 - first, 0);
}
