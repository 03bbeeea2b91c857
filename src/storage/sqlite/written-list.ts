import { setImmediate } from 'node:timers/promises';
import { piecesInTurns } from '../../json/json-pieces.ts';

/** A list as one text of JSON, a piece a line, so that it can be read as it is written: piece by piece, others have their turn between two. */
export async function writtenList(items: readonly unknown[]): Promise<string> {
  return `[${(await Array.fromAsync(piecesInTurns(items))).join(',\n')}]`;
}

/** Of what an earlier version wrote all is one piece. */
export async function readList<Item>(text: string): Promise<Item[]> {
  const items: Item[] = [];
  // In JSON a new line is never within a text.
  for (const line of text.slice(1, -1).split('\n')) {
    if (items.length > 0) await setImmediate();
    const piece = JSON.parse(`[${line.endsWith(',') ? line.slice(0, -1) : line}]`) as Item[];
    for (const item of piece) items.push(item);
  }
  return items;
}
