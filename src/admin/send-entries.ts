import type { Exchange } from '../http/exchange/exchange.ts';
import { BodyWriter } from '../http/exchange/send-body.ts';

/** Something of a list: lines for people, as the original writes them, and an object for programs. */
export interface Entry {
  readonly text: string;
  readonly object: object;
}

export interface EntryList {
  /** Of the JSON, before the list. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** The member of the JSON that holds the list. */
  readonly name: string;
  /** Before the first entry, where there is one. */
  readonly header: string;
  /** Instead of header and entries, where there is none. */
  readonly nothing: string;
}

/** Only who names it gets JSON: programs that take anything are the original's. */
export function wantsJson({ request }: Exchange): boolean {
  const ranges = (request.headers.accept ?? '').split(',', 20);
  const range = ranges.find((part) => /^\s*application\/json\s*(?:;|$)/i.test(part));
  return range !== undefined && !/;\s*q=0(?:\.0*)?\s*(?:;|$)/i.test(range);
}

/** What no page of others may read, nobody may keep, and no browser takes for a page. */
export function setHeaders({ response }: Exchange): void {
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('Vary', 'Accept, Authorization');
}

/** Sends pages as they come and as the client takes them: no more than one of them is in memory. What fails before the first is an error like any other. */
export async function sendEntries(
  exchange: Exchange,
  { members = {}, name, header, nothing }: EntryList,
  pages: AsyncIterable<readonly Entry[]>,
): Promise<void> {
  const isJson = wantsJson(exchange);
  const writer = new BodyWriter(exchange);
  let isFirst = true;
  const begin = (): string => {
    exchange.response.setHeader('Content-Type', isJson ? 'application/json' : 'text/plain; charset=utf-8');
    return isJson ? JSON.stringify({ ...members, [name]: [] }).slice(0, -']}'.length) : header;
  };
  for await (const page of pages) {
    if (page.length === 0) continue;
    const texts = page.map((entry) => (isJson ? JSON.stringify(entry.object) : entry.text));
    const before = isFirst ? begin() : isJson ? ',' : '';
    isFirst = false;
    await writer.write(before + texts.join(isJson ? ',' : ''));
  }
  const last = isJson ? `${isFirst ? begin() : ''}]}\n` : isFirst ? nothing : '';
  if (isFirst && !isJson) begin();
  if (last !== '') await writer.write(last);
  writer.end();
}

/** The first of them. */
export async function* atMost<Item>(
  limit: number,
  pages: AsyncIterable<readonly Item[]>,
): AsyncGenerator<readonly Item[]> {
  let left = limit;
  if (left === 0) return;
  for await (const page of pages) {
    const taken = page.slice(0, left);
    yield taken;
    left -= taken.length;
    if (left <= 0) return;
  }
}
