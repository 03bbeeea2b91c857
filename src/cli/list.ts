import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { cachedImages } from '../app/cached-images.ts';
import { type ImageRow, objectOf, rowsOf, tableOf } from './image-rows.ts';
import { namePatterns } from '../values/name-patterns.ts';

export interface ListOrder {
  readonly output: 'table' | 'json';
  readonly header: boolean;
  /** Regular expressions with commas between them; none is everything. */
  readonly pattern: string;
  readonly shortDigest: boolean;
}

/** Prints what the directory has, page by page, as it is read. Throws an Error for what cannot be read, and for a pattern that is none. */
export async function list(imagePath: string, order: ListOrder, stdout: Writable): Promise<void> {
  const matches = namePatterns(order.pattern);
  let count = 0;
  for await (const page of cachedImages(imagePath)) {
    const rows = page.flatMap((image) => rowsOf(image, matches));
    const text = order.output === 'json' ? jsonOf(rows, count) : textOf(rows, order, count);
    count += rows.length;
    // Who reads it may have had enough, as in `… | head`.
    if (!(await isWritten(stdout, text))) return;
  }
  const end = count === 0 ? '[]\n' : '\n]\n';
  if (order.output === 'json') await isWritten(stdout, end);
  else if (count === 0) await isWritten(stdout, tableOf([], order));
}

/** Behind `before` others. */
function jsonOf(rows: readonly ImageRow[], before: number): string {
  return rows
    .map((row, at) => `${before + at === 0 ? '[' : ','}\n  ${JSON.stringify(objectOf(row))}`)
    .join('');
}

function textOf(rows: readonly ImageRow[], order: ListOrder, before: number): string {
  return rows.length === 0 ? '' : tableOf(rows, { ...order, header: order.header && before === 0 });
}

async function isWritten(stdout: Writable, text: string): Promise<boolean> {
  if (stdout.write(text)) return true;
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([once(stdout, 'drain', { signal }), once(stdout, 'close', { signal })]).catch(() => {});
  over.abort();
  return !stdout.destroyed;
}
