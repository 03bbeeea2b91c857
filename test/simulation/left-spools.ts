import { basename } from 'node:path';
import { parsePartialName } from '#src/storage/file/partial-file.ts';
import { parseRecord } from '#src/storage/file/spool-record.ts';
import { maxKept } from '#src/storage/kept-spools.ts';
import type { Disk } from './disk.ts';
import type { FileContent } from './file-content.ts';
import type { Model } from './model.ts';
import type { FaultPlan } from './plan.ts';

const directory = '/cache/partial';

/** In words, what a server that has stopped may not leave there: all but a few half-filled blobs, each with a record that is true. */
export function wrongSpools(disk: Disk, model: Model, faults: readonly FaultPlan[]): readonly string[] {
  const spools = disk.list(directory).filter((path) => kindOf(path) === 'spool');
  const records = new Set(spools.map((path) => `${path}.ranges`));
  const others = disk.list(directory).filter((path) => kindOf(path) !== 'spool' && !records.has(path));
  const canBeWrong = faults.some(({ kind }) => kind === 'flip');
  const wrong = spools.flatMap((path) => wrongOf(disk, path, canBeWrong ? undefined : model) ?? []);
  if (spools.length > maxKept) wrong.push(`${spools.length} kept spools`);
  if (others.length > 0) wrong.push(`${others.length} partial files that are no kept spool`);
  return wrong;
}

function wrongOf(disk: Disk, path: string, model: Model | undefined): string | undefined {
  const [bytes, record] = [disk.get(path), disk.get(`${path}.ranges`)];
  if (bytes === undefined || record === undefined) return 'a spool without a record';
  try {
    return wrongBytes(bytes, record, model);
  } catch (error) {
    return `a record that is none: ${String(error)}`;
  }
}

/** Upstream sends what it has, where nothing is wrong with it. */
function wrongBytes(bytes: FileContent, record: FileContent, model: Model | undefined): string | undefined {
  const { note, ranges } = parseRecord(record.read(0, record.size).toString());
  for (const { first, last } of ranges) {
    if (last >= bytes.size) return 'a record of more than is there';
    const right = model?.content.of(note.digest).subarray(first, last + 1);
    if (right !== undefined && !bytes.read(first, last + 1 - first).equals(right))
      return `a record of bytes ${first}-${last} that are not those of ${note.digest}`;
  }
  return undefined;
}

function kindOf(path: string): string | undefined {
  return parsePartialName(basename(path))?.kind;
}
