import type { Clock } from '../clock.ts';
import { type Endpoint, endpointPath } from '../oci/endpoint.ts';
import { pathOf, type RepositoryName } from '../oci/reference.ts';
import { Scope } from './auth/scope.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';
import { type UnknownCode, upstreamError } from './upstream-error.ts';

/** Tells of what upstream does wrong and what was done about it. */
export type OnOddity = (message: string, fields: Readonly<Record<string, unknown>>) => void;

export interface UpstreamRequest {
  readonly method: 'GET' | 'HEAD';
  /** Undefined: the request is about none, and is authorised for what the registry says. */
  readonly repository: RepositoryName | undefined;
  /** A URL of the registry; paths by {@link UpstreamSession.url}. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer's body may be large and take long. */
  readonly bulk?: boolean;
  readonly signal: AbortSignal | undefined;
}

/** How long a registry is remembered to refuse HEAD. */
const headRefusedMs = 3_600_000;

/** One registry as its parts (manifests, blobs, lists) talk to it. */
export class UpstreamSession {
  readonly origin: URL;
  readonly clock: Clock;
  readonly onOddity: OnOddity;
  readonly #transport: Transport;
  #headRefusedUntil = 0;

  constructor(settings: { origin: URL; transport: Transport; clock: Clock; onOddity: OnOddity }) {
    this.origin = settings.origin;
    this.clock = settings.clock;
    this.onOddity = settings.onOddity;
    this.#transport = settings.transport;
  }

  url(endpoint: Endpoint): URL {
    return new URL(endpointPath(endpoint), this.origin);
  }

  async send({ repository, ...request }: UpstreamRequest): Promise<TransportResponse> {
    const path = repository === undefined ? undefined : pathOf(repository);
    const scope = path === undefined ? undefined : Scope.pull(path);
    const sent: TransportRequest = { ...request, repository: path, scope };
    return this.#transport.send(sent);
  }

  /** What is no success as an error; the response is disposed of. */
  async error(response: TransportResponse, unknown: UnknownCode): Promise<Error> {
    try {
      return await upstreamError(response, unknown, this.clock.now());
    } finally {
      await response[Symbol.asyncDispose]();
    }
  }

  /** Did a GET lately succeed where HEAD was refused? */
  get refusesHead(): boolean {
    return this.clock.now() < this.#headRefusedUntil;
  }

  rememberHeadRefused(): void {
    this.#headRefusedUntil = this.clock.now() + headRefusedMs;
  }
}

/** Statuses that may be about the method and not about what was asked for. */
export function isHeadRefused(status: number): boolean {
  return [400, 403, 405, 501].includes(status);
}

/** Statuses that are about the method for certain: no HEAD need be tried for a while. A GET may count as a pull. */
export function isMethodRefused(status: number): boolean {
  return status === 405 || status === 501;
}
