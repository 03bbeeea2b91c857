import { causeCode } from '../net/connection-error.ts';
import { literalAddress } from '../net/dial/address.ts';
import { ProxyError } from '../net/dial/proxy-error.ts';
import { RegistryError } from '../oci/error.ts';
import type { Evidence } from './evidence.ts';
import { adviceOnFailure, connectionFailureText, failureText } from './failure.ts';
import type { Finding } from './report.ts';

const lookupCodes = new Set([
  'EAI_AGAIN',
  'EAI_FAIL',
  'EBADNAME',
  'ECANCELLED',
  'ENODATA',
  'ENOTFOUND',
  'ETIMEOUT',
]);

/** Has the registry's name an address, and may it be connected to? */
export function address(evidence: Evidence): Finding {
  const { lookup, origin, failure, proxy } = evidence;
  if (evidence.connection === undefined && isAboutAddress(failure.error)) {
    return {
      status: 'failed',
      ms: lookup?.ms ?? failure.ms,
      detail: [...(lookup?.addresses ?? []), failureText(failure.error)].join(': '),
      advice: adviceOnFailure(failure.error, evidence),
    };
  }
  if (lookup !== undefined) return { status: 'ok', ms: lookup.ms, detail: lookup.addresses.join(', ') };
  if (literalAddress(origin.hostname) !== undefined)
    return { status: 'needless', detail: 'an address, no name' };
  const detail =
    proxy === undefined ? 'nothing was looked up' : `the proxy ${proxy.host} resolves ${origin.hostname}`;
  return { status: 'needless', detail };
}

/** The address guard refuses with DENIED, and nobody else before there is a connection. A proxy's own name is its matter. */
function isAboutAddress(error: unknown): boolean {
  if (!(error instanceof RegistryError) || error instanceof ProxyError) return false;
  return error.code === 'DENIED' || lookupCodes.has(causeCode(error.cause) ?? '');
}

/** TCP and TLS, and the proxy on the way. */
export function connection(evidence: Evidence): Finding {
  const { lookup, connection: made, failure, proxy } = evidence;
  // A proxy for plain http is connected to before it says anything.
  const isRefused = failure.error instanceof ProxyError && evidence.answered('registry').length === 0;
  if (made === undefined || isRefused) {
    const { error, ms, tries } = failure;
    return {
      status: 'failed',
      ms: ms === undefined ? undefined : ms - (lookup?.ms ?? 0),
      detail: `${connectionFailureText(error)}${tries > 1 ? ` (${tries} tries)` : ''}`,
      advice: adviceOnFailure(error, evidence),
    };
  }
  return {
    status: 'ok',
    ms: made.ms - (lookup?.ms ?? 0),
    detail: [
      proxy === undefined ? made.address : `through the proxy ${proxy.host}`,
      ...tlsFacts(evidence),
    ].join(', '),
  };
}

function tlsFacts({ connection: made }: Evidence): string[] {
  if (made?.tls === undefined) return ['plain http'];
  const { protocol, issuer, validTo, isTrusted } = made.tls;
  return [
    protocol,
    ...(issuer === '' ? [] : [`certificate by ${issuer}, valid to ${validTo}`]),
    ...(isTrusted ? [] : ['NOT trusted: insecureSkipVerify let it pass']),
  ];
}
