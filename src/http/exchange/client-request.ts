import type { ClientRequest } from '../../oci/client-request.ts';
import type { EndedExchange } from './ended-exchange.ts';

const maxText = 256;

/** What whoever is told of an event may know of the request behind it. What a client made up is cut short. */
export function clientRequestOf({
  request,
  id,
  known,
}: Pick<EndedExchange, 'request' | 'id' | 'known'>): ClientRequest {
  const { headers, method = '', socket } = request;
  return {
    id,
    address: known?.address ?? socket.remoteAddress,
    host: headers.host?.slice(0, maxText),
    method,
    userAgent: headers['user-agent']?.slice(0, maxText),
    actor: known?.id?.slice(0, maxText),
  };
}
