import { jsonObject } from '../../json/json-object.ts';
import { readBody } from '../../net/body.ts';
import { contentEncoding, decode } from '../../net/content-encoding.ts';
import type { TransportResponse } from '../../net/transport.ts';

/** What a token server's success says. */
export type TokenAnswer =
  | { readonly kind: 'read'; readonly fields: Readonly<Record<string, unknown>> }
  /** The text just ends: another try may bring the whole. */
  | { readonly kind: 'cut' };

export const maxBodyBytes = 128 * 1024;

/**
 * Reads it to its end, freed of an encoding that we did not ask for; what is no JSON with fields has none. Throws UNAVAILABLE where it
 * is longer than any token.
 */
export async function readTokenAnswer(response: TransportResponse): Promise<TokenAnswer> {
  const bytes = await readBody(response, { maxBytes: maxBodyBytes, what: 'token answer' });
  const encoding = contentEncoding(response.headers);
  if (encoding === undefined || jsonObject(textOf(bytes)) !== undefined) return answerIn(textOf(bytes));
  const decoded = await decode(bytes, encoding, maxBodyBytes).catch(() => undefined);
  return decoded === undefined ? { kind: 'cut' } : answerIn(textOf(decoded));
}

function answerIn(text: string): TokenAnswer {
  const fields = jsonObject(text);
  if (fields !== undefined) return { kind: 'read', fields };
  return text.trimStart().startsWith('{') ? { kind: 'cut' } : { kind: 'read', fields: {} };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
