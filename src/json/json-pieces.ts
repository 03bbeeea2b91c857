import { setImmediate } from 'node:timers/promises';

/** Characters: a millisecond's work to write or to read, some on a slow machine. */
const pieceChars = 64 * 1024;
const newLine = 0x0a;

/** The entries of a list as JSON, some at a time, with commas between them and not around them. */
export function* jsonPieces(items: readonly unknown[]): Generator<string> {
  let piece = '';
  for (const item of items) {
    const text = JSON.stringify(item);
    piece = piece === '' ? text : `${piece},${text}`;
    if (piece.length < pieceChars) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** The same; behind each piece others have their turn. */
export async function* piecesInTurns(items: readonly unknown[]): AsyncGenerator<string> {
  let isFirst = true;
  for (const piece of jsonPieces(items)) {
    if (!isFirst) await setImmediate();
    isFirst = false;
    yield piece;
  }
}

/** A list as bytes that can be read a piece at a time: a list a line. */
export function linesOf(items: readonly unknown[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode([...jsonPieces(items)].map((piece) => `[${piece}]\n`).join(''));
}

/** The lists that {@link linesOf} wrote, a line at a time. */
export function* readLines(lines: Uint8Array): Generator<unknown[]> {
  const decoder = new TextDecoder();
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf(newLine, at);
    yield JSON.parse(decoder.decode(lines.subarray(at, end))) as unknown[];
    at = end + 1;
  }
}
