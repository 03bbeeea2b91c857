import { jsonPieces } from '../../json/json-pieces.ts';
import { type Exchange, largeBody } from './exchange.ts';
import { ListBody } from './list-body.ts';
import { sendLarge } from './send-large.ts';

/**
 * Answers with a JSON object of these members and, as its last one, a list. A long one is written once for all who are sent it at a time, as
 * fast as each takes it, and is not kept while it is sent: whoever has it need not either. Errors as {@link sendLarge}.
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
  const small = ListBody.isSent(items, open) ? undefined : smallText(items);
  if (small !== undefined) {
    exchange.send(200, contentType, `${open}${small}${close}`);
    return;
  }
  const body = new ListBody(items, { open, close, owner: exchange.host ?? '' });
  // Not awaited here, where the list would be held until it was sent.
  return sendBody(exchange, body, contentType);
}

/** Undefined: it is long. */
function smallText(items: readonly unknown[]): string | undefined {
  const [first = '', second] = jsonPieces(items).take(2);
  return second === undefined && first.length < largeBody / 2 ? first : undefined;
}

async function sendBody(exchange: Exchange, made: ListBody, contentType: string): Promise<void> {
  using body = made;
  const pieces = await body.pieces;
  exchange.letGo();
  await sendLarge(exchange, contentType, pieces);
  body.wasSent();
}
