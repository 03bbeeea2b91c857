import type { IncomingMessage, ServerResponse } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { RequestKind } from '../observe/observer.ts';
import type { Outcome } from '../oci/outcome.ts';
import type { RegistryHost } from '../oci/reference.ts';
import type { Standing } from '../oci/registry.ts';
import type { Access } from './authorise.ts';
import type { Pulled } from './exchange/ended-exchange.ts';
import type { Exchange } from './exchange/exchange.ts';
import type { RequestTarget } from './exchange/request-target.ts';
import { isPlain } from './plain-request.ts';

/** An answer with the status 200 as it was sent, for whoever sends the same request again. */
export interface FinishedAnswer {
  /** What is asked about a caller before he has it. */
  readonly access: Omit<Access, 'caller' | 'tell'>;
  /** Names and values in turn, behind X-Request-Id and what the caller's limit says; without those that Node writes. */
  readonly headers: readonly string[];
  /** A text has its bytes as characters (latin1). Undefined: it is the answer to a HEAD. */
  readonly body: Uint8Array | string | undefined;
  /** For the log, as everything below. */
  readonly target: Pick<RequestTarget, 'shown'>;
  readonly kind: RequestKind;
  readonly host: RegistryHost | undefined;
  readonly outcome: Outcome | undefined;
  readonly pulled: Pulled | undefined;
  readonly standing: Standing;
}

/** What each takes besides its texts and its body: the objects, and what its standing holds. Bytes. */
const perAnswer = 1024;

/**
 * Node writes a head and a text as one piece, a head and bytes as two: that costs a twentieth of a small answer, and copying a large one costs
 * more (measured: 1 and 7 KiB 0.95, 15 KiB 1.07, 60 KiB 1.6). Bytes.
 */
const maxText = 8 * 1024;

/**
 * Answers out of memory that were given and may be given again, by what was sent: the method and the target, letter by letter. Nothing is
 * worked out here: each was put together by the router and its handlers, and stands as long as the cache says so.
 */
export class FinishedAnswers {
  readonly #answers: LRUCache<string, FinishedAnswer>;

  constructor(maxBytes: number) {
    this.#answers = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: ({ headers, body }, key) =>
        headers.reduce((sum, text) => sum + text.length, perAnswer + key.length) + (body?.length ?? 0),
    });
  }

  /** Whether it still stands is to be asked. */
  of(request: IncomingMessage): FinishedAnswer | undefined {
    const { method = '', url = '' } = request;
    const answer = this.#answers.get(keyOf(method, url));
    return answer !== undefined && isPlain(request, url) ? answer : undefined;
  }

  /** To be told of each read that was answered: it keeps the answer if it may be given again. */
  keep(exchange: Exchange, access: FinishedAnswer['access']): void {
    const { request, response, target, standing, kind, host, outcome, pulled, isHead, whole } = exchange;
    if (standing === undefined || response.statusCode !== 200) return;
    if (!(isHead || whole !== undefined) || !isPlain(request, request.originalUrl)) return;
    const headers = headersOf(response);
    if (headers === undefined) return;
    const body = isHead || whole === undefined ? undefined : bodyOf(whole);
    const { shown } = target;
    const answer = { access, headers, body, target: { shown }, kind, host, outcome, pulled, standing };
    this.#answers.set(keyOf(request.method, request.originalUrl), answer);
  }
}

/** As what it costs least to send. */
function bodyOf(whole: Uint8Array): Uint8Array | string {
  const { buffer, byteOffset, length } = whole;
  return length > maxText ? whole : Buffer.from(buffer, byteOffset, length).toString('latin1');
}

/** Most are GETs, whose target is here and in one piece. No target has a space in it. */
function keyOf(method: string, target: string): string {
  return method === 'GET' ? target : `${method} ${target}`;
}

/** Node has it at every outgoing message; its types have it at requests alone. */
interface RawHeaderNames {
  /** As they were set, upper and lower case. */
  getRawHeaderNames(): string[];
}

/** Undefined: something of it is of this one alone. */
function headersOf(response: ServerResponse & Partial<RawHeaderNames>): string[] | undefined {
  const names = response.getRawHeaderNames?.();
  if (names === undefined) return undefined;
  const headers: string[] = [];
  for (const name of names) {
    const value = response.getHeader(name);
    if (name === 'Connection' || Array.isArray(value)) return undefined;
    if (name !== 'X-Request-Id' && !name.startsWith('RateLimit-')) headers.push(name, String(value));
  }
  return headers;
}
