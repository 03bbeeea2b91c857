import { memoryShare } from '../../base/memory-limit.ts';
import { jsonPieces, piecesInTurns } from '../../json/json-pieces.ts';
import { RegistryError } from '../../oci/error.ts';
import type { Exchange } from './exchange.ts';
import { BodyWriter } from './send-body.ts';

/** Of long lists that are under way, as text: slow readers hold their entries in memory, which are a multiple of that. Bytes. */
const maxSending = memoryShare(32 * 1024 * 1024);
let sending = 0;

/**
 * Answers with a JSON object of these members and, as its last one, a list that may be long: it is written piece by piece, as fast as the
 * client takes it, and others have their turn between. Throws ClientGoneError, UNAVAILABLE (503) where too much is under way.
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
  if (second === undefined) {
    exchange.send(200, contentType, `${open}${first}${close}`);
    return;
  }
  checkRoom(first.length + second.length);
  const length = Buffer.byteLength(open) + (await lengthOf(items)) + close.length;
  using _ = underWay(length);
  exchange.response.setHeader('Content-Type', contentType);
  exchange.response.setHeader('Content-Length', length);
  if (exchange.isHead) exchange.response.end();
  else await sendPieces(exchange, open, items, close);
}

/** Its text is made as it is taken, and not kept. */
async function sendPieces(
  exchange: Exchange,
  open: string,
  items: readonly unknown[],
  close: string,
): Promise<void> {
  const writer = new BodyWriter(exchange);
  let before = open;
  for await (const piece of piecesInTurns(items)) {
    await writer.write(Buffer.from(before + piece));
    before = ',';
  }
  await writer.write(close);
  writer.end();
}

/** In bytes, with the commas between the pieces. */
async function lengthOf(items: readonly unknown[]): Promise<number> {
  let length = -','.length;
  for await (const piece of piecesInTurns(items)) length += ','.length + Buffer.byteLength(piece);
  return length;
}

/** Throws UNAVAILABLE (503): there is no room for so many bytes more. */
function underWay(length: number): Disposable {
  checkRoom(length);
  sending += length;
  return {
    [Symbol.dispose]: () => {
      sending -= length;
    },
  };
}

/** One is always sent. */
function checkRoom(length: number): void {
  if (sending === 0 || sending + length <= maxSending) return;
  const headers = { 'Retry-After': '5' };
  throw new RegistryError('UNAVAILABLE', 'too many long lists are sent at a time', { status: 503, headers });
}
