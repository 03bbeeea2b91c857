import { jsonPieces, lengthInTurns } from '../json-pieces.ts';
import type { Exchange } from './exchange.ts';
import { BodyWriter } from './send-body.ts';

/**
 * Answers with a JSON object of these members and, as its last one, a list that may be long: it is written piece by piece, as fast as the
 * client takes it, and others have their turn between. Throws ClientGoneError.
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
  const [first = '', second] = jsonPieces(items).take(2);
  if (second === undefined) exchange.send(200, contentType, `${open}${first}${close}`);
  else await sendPieces(exchange, contentType, open, items, close);
}

/** What slow readers have not taken yet is not in memory as text: many of them may read long lists. */
async function sendPieces(
  exchange: Exchange,
  contentType: string,
  open: string,
  items: readonly unknown[],
  close: string,
): Promise<void> {
  const { response, isHead } = exchange;
  response.setHeader('Content-Type', contentType);
  response.setHeader(
    'Content-Length',
    Buffer.byteLength(open) + (await lengthInTurns(items)) + close.length,
  );
  if (isHead) {
    response.end();
    return;
  }
  const writer = new BodyWriter(exchange);
  let before = open;
  for (const piece of jsonPieces(items)) {
    await writer.write(Buffer.from(before + piece));
    before = ',';
  }
  await writer.write(close);
  writer.end();
}
