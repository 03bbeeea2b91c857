import type { Exchange } from '../../http/exchange/exchange.ts';
import { sentWhole } from '../../http/exchange/request-body.ts';
import { RegistryError } from '../../oci/error.ts';
import { TokenError } from './token-error.ts';

/** Refresh tokens and scopes are in it. Bytes. */
const maxBytes = 64 * 1024;
/** Whoever sends it need not be known: a byte now and then would keep a connection for days. Milliseconds. */
const wholeMs = 30_000;
/** No request for a token has a dozen. */
const maxFields = 50;
/** Nothing secret stands in a URL, which is written down wherever it passes (RFC 6749 section 2.3.1). */
const secrets = ['password', 'client_secret', 'refresh_token', 'access_token', 'token', 'code'];

/** What a form says, each name once (RFC 6749 section 3.2); one with an empty value is as if it was not there. */
export class Form {
  readonly #fields: URLSearchParams;

  constructor(text: string) {
    this.#fields = new URLSearchParams(text);
    if (this.#fields.size > maxFields)
      throw new TokenError('invalid_request', `a request for a token has at most ${maxFields} parameters`);
    if (new Set(this.#fields.keys()).size < this.#fields.size)
      throw new TokenError('invalid_request', 'a parameter is there more than once');
  }

  get(name: string): string | undefined {
    return this.#fields.get(name) || undefined;
  }
}

/** The body of a request for a token. Throws TokenError, RegistryError (413, 408). */
export async function sentForm(exchange: Exchange): Promise<Form> {
  const type = exchange.request.headers['content-type'] ?? '';
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type))
    throw new TokenError('invalid_request', 'the body must be application/x-www-form-urlencoded');
  const bytes = await sentWhole(exchange, maxBytes, tooLarge, wholeMs);
  return new Form(Buffer.from(bytes).toString('utf8'));
}

/** Throws TokenError for what is secret in the query. */
export function refuseSecretsIn({ query }: Exchange): void {
  const name = secrets.find((secret) => query.has(secret));
  if (name !== undefined)
    throw new TokenError('invalid_request', `${name} must not stand in a URL: it is to be held for known`);
}

function tooLarge(): RegistryError {
  return new RegistryError('UNSUPPORTED', `a request for a token has at most ${maxBytes} bytes`, {
    status: 413,
    headers: { Connection: 'close' },
  });
}
