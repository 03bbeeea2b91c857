import { retryAfterHeader } from '../../net/retry-after.ts';
import { RegistryError } from '../../oci/error.ts';
import { type Wording, worded } from '../../oci/wording.ts';
import type { TokenRefusal } from './token-client.ts';

/** Is it about what was asked for, or by whom, so that another scope or credential may help? */
export function isRefused(refusal: TokenRefusal | undefined): boolean {
  return refusal !== undefined && [400, 401, 403].includes(refusal.status);
}

/**
 * What a token server's last answer means to our client: TOOMANYREQUESTS, UNAVAILABLE where it says nothing of the image, or DENIED
 * for all else. Never 401, since the client's own credentials are not in question, and never 404, which would be
 * about the image. `who`: as whom it was asked, for the end of a sentence.
 */
export function refusalError(
  realm: URL,
  refusal: TokenRefusal | undefined,
  who: Wording,
  now: number,
): RegistryError {
  const status = refusal?.status ?? 0;
  const message = `token server ${realm.host} answered ${status >= 200 && status < 300 ? 'without a token' : status}`;
  const headers = retryAfterHeader(refusal?.headers['retry-after'], now);
  if (status === 429) return new RegistryError('TOOMANYREQUESTS', message, { headers });
  if (status >= 500) {
    const passed = status === 503 || status === 504 ? status : 502;
    return new RegistryError('UNAVAILABLE', message, { status: passed, headers });
  }
  return new RegistryError('DENIED', worded`${message}, ${who}`);
}
