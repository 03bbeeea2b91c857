import type { Writable } from 'node:stream';
import type { PinnedTag } from '../admin/pin-images.ts';
import { pinCached } from '../app/pins.ts';
import { namePatterns } from '../values/name-patterns.ts';
import { isWritten, JsonLines } from './paced-output.ts';

export interface PinCommand {
  /** Regular expressions with commas between them. */
  readonly pattern: string;
  /** Else what matches is unpinned. */
  readonly isPinned: boolean;
  readonly output: 'text' | 'json';
}

export interface PinOutput {
  readonly stdout: Writable;
  readonly stderr: { write(text: string): unknown };
}

/**
 * Pins or unpins every cached tag that matches, and prints which. True: there are some. Throws an Error for a pattern that is none, and for what cannot
 * be changed.
 */
export async function pin(
  imagePath: string,
  { pattern, isPinned, output }: PinCommand,
  { stdout, stderr }: PinOutput,
): Promise<boolean> {
  const matches = namePatterns(pattern);
  const json = new JsonLines();
  let count = 0;
  for await (const page of pinCached(imagePath, { matches, isPinned })) {
    count += page.length;
    const text = output === 'json' ? json.of(page.map(objectOf)) : page.map(lineOf).join('');
    await isWritten(stdout, text);
  }
  if (output === 'json') await isWritten(stdout, json.end);
  else if (count === 0) stderr.write('no cached tag matches\n');
  return count > 0;
}

function lineOf({ reference, isPinned }: PinnedTag): string {
  return `${isPinned ? 'pinned' : 'unpinned'} ${reference}\n`;
}

function objectOf({ reference, isPinned, hasChanged }: PinnedTag): object {
  return { reference, pinned: isPinned, changed: hasChanged };
}
