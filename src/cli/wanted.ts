import type { Writable } from 'node:stream';
import { wantedImages } from '../app/listed-images.ts';
import { imageText } from '../oci/reference.ts';
import type { Miss } from '../storage/records.ts';
import { isWritten, JsonLines } from './paced-output.ts';

export interface WantedOrder {
  readonly output: 'text' | 'json';
}

/**
 * Prints what was asked for across the air gap and is not here: a list of images as `load` and `export` take it, or objects with `reference`.
 * Throws an Error for what cannot be read.
 */
export async function wanted(imagePath: string, { output }: WantedOrder, stdout: Writable): Promise<void> {
  const json = new JsonLines();
  for await (const page of wantedImages(imagePath)) {
    const text = output === 'json' ? json.of(page.map(objectOf)) : page.map(lineOf).join('');
    if (!(await isWritten(stdout, text))) return;
  }
  if (output === 'json') await isWritten(stdout, json.end);
}

function lineOf(miss: Miss): string {
  return `${imageText(miss)}\n`;
}

function objectOf(miss: Miss): object {
  const { times, firstAt, lastAt } = miss;
  const [first, last] = [new Date(firstAt), new Date(lastAt)].map((date) => date.toISOString());
  return { reference: imageText(miss), times, first, last };
}
