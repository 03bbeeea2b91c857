import { RegistryError } from '../oci/error.ts';
import { mayBeAboutHead } from './head-refusal.ts';
import { isBlobKind, requestKind } from './request-kind.ts';
import { confiding, type Transport, type TransportRequest, type TransportResponse } from './transport.ts';

export interface RedirectSettings {
  readonly maxHops: number;
  /** May a blob's redirect lead from https to http? Whoever keeps its bytes checks their digest. Default: no. */
  readonly blobsOverHttp?: boolean | undefined;
  /** Throws to refuse a hop. */
  readonly check?: ((url: URL) => void) | undefined;
}

const redirects = new Set([301, 302, 303, 307, 308]);
/** Characters. */
const minSignature = 12;
/** What never leaves the origin it was made for. */
const privateHeaders = new Set(['authorization', 'cookie', 'proxy-authorization']);

/**
 * Follows redirects (RFC 9110 section 15.4). Each hop goes through the transport inside, which may answer its
 * challenge. Nothing of a hop is kept: signed URLs live for minutes and are good for one method. A POST is repeated
 * on its own origin only. Throws UNAVAILABLE (502) for a loop, a broken Location and a step from https to http that is
 * not allowed.
 */
export class RedirectingTransport implements Transport {
  readonly #next: Transport;
  readonly #settings: RedirectSettings;

  constructor(next: Transport, settings: RedirectSettings) {
    this.#next = next;
    this.#settings = settings;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const { response, hops } = await this.#follow(request);
    if (request.method !== 'HEAD' || hops === 0 || !mayBeAboutHead(response.status)) return response;
    // URLs signed for GET refuse HEAD. Whoever asked for a HEAD leaves the body unread.
    await response[Symbol.asyncDispose]();
    return (await this.#follow({ ...request, method: 'GET' })).response;
  }

  async #follow(first: TransportRequest): Promise<{ response: TransportResponse; hops: number }> {
    let request = first;
    for (let hops = 0; ; hops++) {
      const response = await this.#next.send(request);
      const location = redirects.has(response.status) ? response.headers['location'] : undefined;
      if (location === undefined) return { response: this.#confiding(response, first), hops };
      try {
        const next = this.#hop(request, response, location, first);
        if (next === undefined) return { response: this.#confiding(response, first), hops };
        if (hops === this.#settings.maxHops) throw broken(first.url, 'redirects too often');
        request = next;
      } catch (error) {
        await response[Symbol.asyncDispose]();
        throw error;
      }
      await response[Symbol.asyncDispose]();
    }
  }

  /** Where another origin answers, the path and query by which it was asked may be signed. */
  #confiding(response: TransportResponse, first: TransportRequest): TransportResponse {
    const { status, url } = response;
    if (status < 400 || url.origin === first.url.origin) return response;
    return confiding(response, () => [url.pathname, url.search, ...signaturesIn(url)]);
  }

  /** Undefined: not to be followed, but no error either. */
  #hop(
    request: TransportRequest,
    response: TransportResponse,
    location: string,
    first: TransportRequest,
  ): TransportRequest | undefined {
    if (!URL.canParse(location, request.url.href)) throw broken(request.url, 'redirects to what is no URL');
    const url = new URL(location, request.url);
    const sameOrigin = url.origin === request.url.origin;
    if (request.method === 'POST' && !(sameOrigin && [307, 308].includes(response.status))) return undefined;
    this.#checkProtocol(url, request, first);
    this.#settings.check?.(url);
    return {
      ...request,
      url,
      kind: undefined,
      target: targetOf(location),
      headers: sameOrigin ? request.headers : withoutPrivate(request.headers),
    };
  }

  #checkProtocol({ protocol, host }: URL, { url }: TransportRequest, first: TransportRequest): void {
    const stepsDown = protocol === 'http:' && url.protocol === 'https:';
    if (protocol === 'https:' || (protocol === 'http:' && !stepsDown)) return;
    const mayBeAllowed = stepsDown && isBlobKind(requestKind(first));
    if (mayBeAllowed && this.#settings.blobsOverHttp === true) return;
    const remedy = mayBeAllowed ? '; upstream.blobsOverHttp: true of this registry allows it for blobs' : '';
    throw broken(url, `redirects to ${protocol}//${host}, which is not https${remedy}`);
  }
}

/** Values of a query that may be secret by themselves: a short one is a version or a yes. */
function signaturesIn({ searchParams }: URL): string[] {
  return [...searchParams.values()].filter((value) => value.length >= minSignature);
}

function withoutPrivate(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !privateHeaders.has(name)));
}

/**
 * Path and query of a Location as they stand: parsing into a URL changes a letter here and there. Undefined where
 * they do not stand there whole, or not in visible ASCII.
 */
function targetOf(location: string): string | undefined {
  const target = /^(?:https?:\/\/[^/?#]*)?(\/(?!\/)[^#]*)/i.exec(location)?.[1];
  return target !== undefined && /^[!-~]*$/.test(target) ? target : undefined;
}

function broken(url: URL, reason: string): RegistryError {
  return new RegistryError('UNAVAILABLE', `${url.origin} ${reason}`);
}
