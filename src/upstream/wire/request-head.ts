import { errors } from 'undici';
import type { TransportRequest } from '../transport/transport.ts';

const visible = /^\/[!-~]*$/;
const fieldName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;
/** These say where a message ends and how long a connection lives, which is the wire's business. */
const ownNames = new Set(['connection', 'content-length', 'host', 'te', 'transfer-encoding', 'upgrade']);

/**
 * A GET without a body as it goes over the wire, in Latin-1. Throws InvalidArgumentError for whatever could end a line
 * early: nothing of a request may become a second one.
 */
export function requestHead(
  { url, target = `${url.pathname}${url.search}` }: TransportRequest,
  headers: Readonly<Record<string, string>>,
): string {
  if (!visible.test(target)) throw new errors.InvalidArgumentError('invalid request target');
  let text = `GET ${target} HTTP/1.1\r\nhost: ${url.host}\r\nconnection: keep-alive\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!fieldName.test(name) || ownNames.has(name) || !fieldValue.test(value)) {
      throw new errors.InvalidArgumentError('invalid request header');
    }
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}
