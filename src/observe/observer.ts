import type { RegistryHost } from '../oci/reference.ts';

/** What a request was about, by its path: an endpoint of the distribution API, or anything else. */
export type RequestKind =
  | 'manifest'
  | 'blob'
  | 'tags'
  | 'referrers'
  | 'catalog'
  | 'version'
  | 'uploads'
  | 'other';

/** What upstream is asked for. */
export type UpstreamKind = Extract<RequestKind, 'manifest' | 'blob' | 'tags' | 'referrers'>;

/** How what is no success ended, on either side. `cut`: whoever asked has left. */
export type Failure = 'absent' | 'denied' | 'limited' | 'invalid' | 'error' | 'cut';

/** How a client's request ended. `local`: without cache and upstream. */
export type RequestResult = 'hit' | 'miss' | 'collapsed' | 'revalidated' | 'stale' | 'local' | Failure;

export type UpstreamResult = 'ok' | Failure;

/** A client's request that is over. */
export interface ObservedRequest {
  /** The registry it was about, if it named one. */
  readonly host: RegistryHost | undefined;
  readonly kind: RequestKind;
  readonly result: RequestResult;
  /** Bytes of bodies that were sent. */
  readonly bytes: number;
  /** From the request's headers to the first byte of the answer's body, or to its end if it has none. */
  readonly firstByteSeconds: number;
  /** Was a list answered that ends early? */
  readonly isIncomplete?: boolean;
}

/** One call of an upstream registry, with all its tries, tokens and redirects. */
export interface UpstreamCall {
  readonly host: RegistryHost;
  readonly kind: UpstreamKind;
  readonly result: UpstreamResult;
  /** Until the answer was here; of a blob, until its headers were. */
  readonly seconds: number;
}

/** How often one account may still pull from a registry. */
export interface AccountQuota {
  readonly host: RegistryHost;
  /** Its place in the configuration, from 1. */
  readonly account: number;
  readonly limit: number;
  readonly remaining: number;
}

/** What waits to be completed of a registry's images, and how long the oldest of it has waited. */
export interface CompletionState {
  readonly host: RegistryHost;
  readonly waiting: number;
  readonly oldestMs: number;
}

/** Who watches. Called on the hot path: must be quick, must not throw. */
export interface Observer {
  request(request: ObservedRequest): void;
  upstreamCall(call: UpstreamCall): void;
  /** So many bytes of content have come. */
  upstreamBytes(host: RegistryHost, kind: UpstreamKind, bytes: number): void;
}

/** The word for an HTTP status that is no success. */
export function failureOf(status: number): Failure {
  if (status >= 500) return 'error';
  if (status === 404) return 'absent';
  if (status === 401 || status === 403) return 'denied';
  return status === 429 ? 'limited' : 'invalid';
}
