import type { Writable } from 'node:stream';
import { cachedImages } from '../app/listed-images.ts';
import { namePatterns } from '../values/name-patterns.ts';
import { type ImageRow, objectOf, rowsOf, type TableForm, tableOf } from './image-rows.ts';
import { isWritten, JsonLines } from './paced-output.ts';

export interface ListOrder extends TableForm {
  readonly output: 'table' | 'json';
  /** Regular expressions with commas between them; none is everything. */
  readonly pattern: string;
}

/** Prints what the directory has, page by page, as it is read. Throws an Error for what cannot be read, and for a pattern that is none. */
export async function list(imagePath: string, order: ListOrder, stdout: Writable): Promise<void> {
  const matches = namePatterns(order.pattern);
  const json = new JsonLines();
  let count = 0;
  for await (const page of cachedImages(imagePath, order.wide)) {
    const rows = page.flatMap((image) => rowsOf(image, matches));
    const text = order.output === 'json' ? json.of(rows.map(objectOf)) : textOf(rows, order, count);
    count += rows.length;
    if (!(await isWritten(stdout, text))) return;
  }
  if (order.output === 'json') await isWritten(stdout, json.end);
  else if (count === 0) await isWritten(stdout, tableOf([], order));
}

/** Behind `before` others. */
function textOf(rows: readonly ImageRow[], order: ListOrder, before: number): string {
  return rows.length === 0 ? '' : tableOf(rows, { ...order, header: order.header && before === 0 });
}
