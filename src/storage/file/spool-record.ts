import { dirname } from 'node:path';
import { isDigestText } from '../../oci/reference.ts';
import type { ByteRange } from '../../oci/registry.ts';
import type { SpoolNote } from '../spool-store.ts';
import type { FileSystem } from './file-system.ts';
import type { SyncTurns } from './sync-turns.ts';

/** Of so many ranges it is written where they are: those behind them are fetched again. */
const maxRanges = 1000;
const maxScope = 512;
/** What the longest takes, and more. Bytes. */
const maxBytes = 64 * 1024;

/** What is known to be on the disk of a partial file; nothing else of it is. */
export interface SpoolRecord {
  readonly note: SpoolNote;
  readonly ranges: readonly ByteRange[];
}

/** In the place of the one before. It survives a power cut when this has settled. */
export async function writeRecord(
  { files, turns }: { readonly files: FileSystem; readonly turns: SyncTurns },
  path: string,
  record: SpoolRecord,
): Promise<void> {
  const draft = `${path}.new`;
  try {
    // Before a file is open for it: those that wait have none.
    using _ = await turns.small();
    await using file = await files.open(draft, 'wx+', 0o644);
    const text = Buffer.from(textOf(record));
    const { bytesWritten } = await file.writev([text], 0);
    if (bytesWritten !== text.length) throw new Error('a record was written in part');
    await file.datasync();
    await files.rename(draft, path);
  } catch (error) {
    await files.rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
  using _ = await turns.small();
  await using directory = await files.open(dirname(path), 'r');
  await directory.sync();
}

/** Throws for anything that is no record, and file errors as they are. Never waits for a pipe. */
export async function readRecord(files: FileSystem, path: string): Promise<SpoolRecord> {
  await using file = await files.open(path, 'r');
  const status = await file.stat({ bigint: true });
  if (!status.isFile() || status.size > maxBytes) throw new Error('no record');
  const bytes = Buffer.alloc(Number(status.size));
  const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
  return parseRecord(bytes.toString('utf8', 0, bytesRead));
}

/** Throws for anything that is no record. */
export function parseRecord(text: string): SpoolRecord {
  const { digest, scope, size, ranges } = objectOf(JSON.parse(text));
  if (typeof digest !== 'string' || !isDigestText(digest)) throw new Error('no digest');
  if (typeof scope !== 'string' || scope.length > maxScope) throw new Error('no scope');
  if (size !== undefined && !isPlace(size)) throw new Error('no size');
  return { note: { digest, scope, size }, ranges: rangesOf(ranges, size) };
}

function textOf({ note: { digest, scope, size }, ranges }: SpoolRecord): string {
  const pairs = ranges.slice(0, maxRanges).map(({ first, last }) => [first, last]);
  return JSON.stringify({ digest, scope, size, ranges: pairs });
}

/** In order, apart from each other, within the size. */
function rangesOf(json: unknown, size = Number.MAX_SAFE_INTEGER): readonly ByteRange[] {
  if (!Array.isArray(json) || json.length > maxRanges) throw new Error('no ranges');
  let next = 0;
  return json.map((pair: unknown) => {
    const [first, last]: readonly unknown[] = Array.isArray(pair) && pair.length === 2 ? pair : [];
    if (!isPlace(first) || !isPlace(last) || first < next || last < first || last >= size)
      throw new Error('no range');
    next = last + 1;
    return { first, last };
  });
}

function objectOf(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null) throw new Error('no record');
  return json as Readonly<Record<string, unknown>>;
}

function isPlace(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
