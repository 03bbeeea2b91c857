import { piecesInTurns } from '../json-pieces.ts';
import type { Exchange } from './exchange.ts';
import { BodyWriter } from './send-body.ts';

/**
 * Answers with a JSON object of these members and, as its last one, a list that may be long: it is written piece by piece, and others
 * have their turn between. Throws ClientGoneError.
 */
export async function sendList(
  exchange: Exchange,
  members: Readonly<Record<string, unknown>>,
  name: string,
  items: readonly unknown[],
  contentType = 'application/json',
): Promise<void> {
  const frame = JSON.stringify({ ...members, [name]: [] });
  const [open, close] = [frame.slice(0, -']}'.length), ']}'];
  const pieces = await piecesInTurns(items);
  const [first = '', ...others] = pieces;
  if (others.length === 0) exchange.send(200, contentType, `${open}${first}${close}`);
  else await sendPieces(exchange, contentType, [open, first, ...others.map((piece) => `,${piece}`), close]);
}

async function sendPieces(exchange: Exchange, contentType: string, pieces: readonly string[]): Promise<void> {
  const { response, isHead } = exchange;
  response.setHeader('Content-Type', contentType);
  response.setHeader(
    'Content-Length',
    pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0),
  );
  if (isHead) {
    response.end();
    return;
  }
  const writer = new BodyWriter(exchange);
  for (const piece of pieces) await writer.write(Buffer.from(piece));
  writer.end();
}
