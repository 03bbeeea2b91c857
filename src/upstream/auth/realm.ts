import { classifyAddress, literalAddress } from '../../net/dial/address.ts';
import { RegistryError } from '../../oci/error.ts';

/** A token server that may be asked, and whether user and password may go there. */
export interface Realm {
  readonly url: URL;
  readonly takesCredentials: boolean;
}

/**
 * The token server that a challenge names. A relative realm is resolved against the request. Its address is
 * checked where every connection is; this is about its name. `trusted` are hosts (`auth.example.com`,
 * `auth.example.com:8443`) or origins; empty is no restriction. Throws DENIED.
 */
export function resolveRealm(realm: string, requestUrl: URL, trusted: readonly string[] = []): Realm {
  if (!URL.canParse(realm, requestUrl.href)) throw denied(requestUrl, 'names a token server that is no URL');
  const url = new URL(realm, requestUrl);
  checkRealmUrl(url, requestUrl, trusted);
  return { url, takesCredentials: requestUrl.protocol === 'https:' || isNear(url, requestUrl) };
}

/** The rules for a token server's URL, also for one that a token server redirects to. Throws DENIED. */
export function checkRealmUrl(url: URL, requestUrl: URL, trusted: readonly string[] = []): void {
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || requestUrl.protocol === 'https:')) {
    throw denied(requestUrl, `names the token server ${url.protocol}//${url.host}, which is not https`);
  }
  if (url.username !== '' || url.password !== '') {
    throw denied(requestUrl, `names the token server ${url.host} with a password in its URL`);
  }
  if (trusted.length > 0 && !trusted.some((entry) => entry === url.host || entry === url.origin)) {
    throw denied(requestUrl, `names the token server ${url.host}, which is not one of its trustedRealms`);
  }
}

/** A password that came over plain HTTP stays on its host or in this network: anyone may have written the challenge. */
function isNear(url: URL, requestUrl: URL): boolean {
  if (url.hostname === requestUrl.hostname || url.hostname === 'localhost') return true;
  const literal = literalAddress(url.hostname);
  return literal !== undefined && classifyAddress(literal) === 'private';
}

function denied(requestUrl: URL, reason: string): RegistryError {
  return new RegistryError('DENIED', `${requestUrl.host} ${reason}`);
}
