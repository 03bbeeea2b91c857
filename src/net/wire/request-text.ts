import type { TransportRequest } from '../transport.ts';
import { errors } from '../undici-core.ts';

const visible = /^\/[!-~]*$/;
const fieldName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;
/** These say where a message ends and how long a connection lives, which is the wire's business. */
const ownNames = new Set(['connection', 'content-length', 'host', 'te', 'transfer-encoding', 'upgrade']);

/** How it names what it wants, and what else its head says. */
interface HeadSettings {
  /** Before the target: the origin, for a proxy that takes the whole URL (RFC 9112 section 3.2.2). */
  readonly prefix?: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A request as it goes over the wire, in Latin-1. Throws InvalidArgumentError for whatever could end a line early: nothing of a
 * request may become a second one.
 */
export function requestText(
  { method, url, target = `${url.pathname}${url.search}`, body }: TransportRequest,
  { prefix = '', headers }: HeadSettings,
): string {
  if (!visible.test(target)) throw new errors.InvalidArgumentError('invalid request target');
  let text = `${method} ${prefix}${target} HTTP/1.1\r\nhost: ${url.host}\r\nconnection: keep-alive\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!fieldName.test(name) || ownNames.has(name) || !fieldValue.test(value)) {
      throw new errors.InvalidArgumentError('invalid request header');
    }
    text += `${name}: ${value}\r\n`;
  }
  if (method !== 'POST') return `${text}\r\n`;
  const content = Buffer.from(body ?? '');
  return `${text}content-length: ${content.length}\r\n\r\n${content.toString('latin1')}`;
}
