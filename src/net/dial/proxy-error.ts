import type { RegistryError, RegistryErrorOptions } from '../../oci/error.ts';
import { NoAnswer, type SaysOf } from '../../oci/no-answer.ts';
import { own, type Wording, worded } from '../../oci/wording.ts';
import { noAnswer, wantOfOurs } from '../connection-error.ts';

/** UNAVAILABLE because of the proxy on the way, and not of who is behind it. To clients it is an error as all others. */
export class ProxyError extends NoAnswer {
  /** The status that the proxy answered; undefined: none. */
  readonly answered: number | undefined;

  constructor(url: URL, saysOf: SaysOf, words: Wording, options: RegistryErrorOptions, answered?: number) {
    super(url, saysOf, words, options);
    this.answered = answered;
  }
}

/** The proxy itself cannot be reached, or does not answer; or it was not tried, for want of ours. */
export function proxyConnectionError(url: URL, cause: unknown, via: string): RegistryError {
  const whom = worded`the proxy${own(` ${via}`)}, by which ${url.origin} is reached`;
  return wantOfOurs(whom, cause) ?? new ProxyError(url, 'host', ...noAnswer(whom, cause));
}

/** The proxy answered, but not with a way to upstream: it could not reach the host, or would not let this request through. */
export function proxyRefusal(url: URL, status: number, via: string): ProxyError {
  const isFailure = status >= 500;
  const reason = refusals[status] ?? (isFailure ? 'it could not reach it' : 'is it a proxy?');
  return new ProxyError(
    url,
    isFailure ? 'host' : 'exchange',
    worded`the proxy${own(` ${via}`)} gave no way to ${url.origin}: it answered ${status} (${reason})`,
    { status: status === 504 ? 504 : 502 },
    status,
  );
}

const refusals: Readonly<Record<number, string>> = {
  401: 'it wants other credentials',
  403: 'its rules forbid it',
  405: 'its rules forbid it, or it is no proxy',
  407: 'it wants user and password, or refuses those in its URL',
};
