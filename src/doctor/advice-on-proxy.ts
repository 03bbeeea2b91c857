import { causeCode } from '../net/connection-error.ts';
import type { Route } from '../net/dial/proxy-choice.ts';
import type { ProxyError } from '../net/dial/proxy-error.ts';
import { isUnknownAuthority } from './unknown-authority.ts';

/** What to look at when the proxy on the way did not answer, or gave no way. */
export function adviceOnProxy({ answered, cause }: ProxyError, origin: URL, { setIn }: Route): string {
  if (answered === 401 || answered === 407)
    return `User and password for the proxy stand in its URL, percent-encoded: ${setIn}.`;
  if (answered === 403 || answered === 405)
    return `Its rules: it must let CONNECT through to ${authorityOf(origin)}. ${around}`;
  if (answered !== undefined)
    return `The proxy (${setIn}) is reached and does not come further: its log, its name server, its way out. ${around}`;
  if (isUnknownAuthority(causeCode(cause) ?? ''))
    return `Put the certificate of the proxy's CA as PEM into a file and name that in upstream.ca; or is it a proxy of http? ${setIn}.`;
  return `Does the proxy run, and is its address right? ${setIn}. ${around}`;
}

const around = 'What is to be reached without it: upstream.noProxy, or NO_PROXY.';

function authorityOf({ host, port, protocol }: URL): string {
  return port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host;
}
