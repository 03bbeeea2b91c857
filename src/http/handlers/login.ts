import { RegistryError } from '../../oci/error.ts';
import type { Exchange } from '../exchange/exchange.ts';

/** `GET /v2/auth`: what the original answers to whoever wants to log in. Nobody has to. */
export function login(exchange: Exchange): void {
  if (exchange.request.headers.authorization !== undefined) exchange.sendJson(200, { token: 'FROBOZZ' });
  else throw new RegistryError('UNSUPPORTED', 'the Authorization header is missing', { status: 400 });
}
