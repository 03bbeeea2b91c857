import { LRUCache } from 'lru-cache';
import { Claim } from '../base/claim.ts';
import type { Clock } from '../base/clock.ts';
import { jsonReader } from '../json/json-reader.ts';
import { isAboutHead, mayBeAboutHead } from '../net/head-refusal.ts';
import type { OnOddity } from '../net/oddity.ts';
import { holding, type Transport, type TransportRequest, type TransportResponse } from '../net/transport.ts';
import { NoRoom } from '../oci/busy.ts';
import { blamed } from '../oci/fault.ts';
import type { ArgumentsOf, Readings } from '../oci/readings.ts';
import { pathOf, type RegistryHost, type RepositoryName } from '../oci/reference.ts';
import type { AnswerRoom, Turn } from '../oci/registry.ts';
import { formatRequest, type Kind, type Request } from '../oci/request.ts';
import { Scope } from '../oci/scope.ts';
import { type UnknownCode, upstreamError } from './upstream-error.ts';

/** A registry that holds another's repositories. */
export interface MirrorPlace {
  /** In place of `/v2`, without a slash at its end: `/v2/proxy`. */
  readonly path: string;
  /** Whose repositories: sent as `?ns=` (distribution-spec "Registry Proxying"). */
  readonly of: RegistryHost;
}

export interface UpstreamRequest {
  readonly method: 'GET' | 'HEAD';
  /** Undefined: the request is about none, and is authorised for what the registry says. */
  readonly repository: RepositoryName | undefined;
  /** A URL of the registry; that of a request by {@link UpstreamSession.line}. */
  readonly url: URL;
  readonly kind?: Kind | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer's body may be large and take long. */
  readonly bulk?: boolean;
  readonly turn?: Turn | undefined;
  /** The answer's body is small: it is fetched again where it breaks off. */
  readonly maxBodyBytes?: number;
  /** What it is counted for. Absent: it is until the response is disposed of. */
  readonly room?: AnswerRoom | undefined;
  readonly signal: AbortSignal | undefined;
}

const maxScopes = 100;
/** How long a registry is remembered to refuse HEAD, or to answer it with a 404 that means nothing. */
const headRefusedMs = 3_600_000;
/** What the body of a refusal may take, which only explains it: who drips it would hold up the next mirror. Milliseconds. */
const maxExplanationMs = 2000;

/** One registry as its parts (manifests, blobs, lists) talk to it. */
export class UpstreamSession {
  readonly origin: URL;
  readonly clock: Clock;
  readonly onOddity: OnOddity;
  readonly #transport: Transport;
  readonly #mirror: MirrorPlace | undefined;
  /** Of the repositories that were asked lately. */
  readonly #scopes = new LRUCache<string, Scope>({ max: maxScopes });
  /** What stands before a request's path behind `/v2`: one about a repository, and any other. */
  readonly #repositories: string;
  readonly #api: string;
  #headRefusedUntil = 0;
  #falseAbsenceUntil = 0;

  constructor(settings: {
    origin: URL;
    transport: Transport;
    clock: Clock;
    onOddity: OnOddity;
    mirror?: MirrorPlace | undefined;
  }) {
    this.origin = settings.origin;
    this.clock = settings.clock;
    this.onOddity = settings.onOddity;
    this.#transport = settings.transport;
    this.#mirror = settings.mirror;
    const place = settings.mirror?.path ?? '/v2';
    this.#repositories = this.#at(place);
    this.#api = this.#at(apiOf(place));
  }

  /** How a request is sent to this registry. */
  line<R extends Request>(
    request: R,
  ): { readonly method: R['method']; readonly url: URL; readonly kind: Kind } {
    const { path, query } = formatRequest(request);
    const place = 'name' in request ? this.#repositories : this.#api;
    // At once, for each part that is set takes as long.
    const url = new URL(`${place}${path.slice('/v2'.length)}`);
    if (this.#mirror !== undefined) url.searchParams.set('ns', this.#mirror.of);
    for (const [name, value] of query) url.searchParams.set(name, value);
    return { method: request.method, url, kind: request.kind };
  }

  #at(path: string): string {
    const { origin, pathname } = this.here(path);
    return `${origin}${pathname}`;
  }

  /** What is at this path of this registry, and nowhere else. */
  here(path: string, query = ''): URL {
    const url = new URL(this.origin);
    url.pathname = path;
    url.search = query;
    if (this.#mirror !== undefined) url.searchParams.set('ns', this.#mirror.of);
    return url;
  }

  async send({ repository, ...request }: UpstreamRequest): Promise<TransportResponse> {
    const path = repository === undefined ? undefined : this.#nameOf(repository);
    const scope = path === undefined ? undefined : this.#scopeOf(path);
    const sent: TransportRequest = { ...request, repository: path, scope };
    return await (request.maxBodyBytes === undefined ? this.#transport.send(sent) : this.#sendSmall(sent));
  }

  #scopeOf(path: string): Scope {
    const known = this.#scopes.get(path) ?? Scope.pull(path);
    this.#scopes.set(path, known);
    return known;
  }

  /**
   * What turns out to be larger than there is room for is asked for again when there is: who waits keeps no connection and nobody's turn. Throws
   * UNAVAILABLE (503) where there is none in time.
   */
  async #sendSmall(request: TransportRequest): Promise<TransportResponse> {
    const room: AnswerRoom = request.room ?? new Claim(this.origin.host);
    const share = room.share();
    const end = (): void => share[Symbol.dispose]();
    const send = async (): Promise<TransportResponse> =>
      holding(await this.#transport.send({ ...request, room }), end);
    try {
      return await send().catch(async (error: unknown) => {
        const bytes = error instanceof NoRoom ? error.bytes : 0;
        if (bytes === 0 || !(await room.wait(bytes, request.signal))) throw error;
        return await send();
      });
    } catch (error) {
      end();
      throw error;
    }
  }

  /** As the registry itself calls it: what stands behind `/v2/`. */
  #nameOf(repository: RepositoryName): string {
    const prefix = /\/v2\/(.+)$/.exec(this.#mirror?.path ?? '')?.[1];
    return prefix === undefined ? pathOf(repository) : `${prefix}/${pathOf(repository)}`;
  }

  /**
   * What its JSON says. However large it is, others are not held up. Throws UNAVAILABLE (502) for a fault of it, and (503) while we
   * are busy.
   */
  async read<Name extends keyof Readings>(
    name: Name,
    bytes: Uint8Array,
    ...args: ArgumentsOf<Name>
  ): Promise<ReturnType<Readings[Name]>> {
    try {
      return await jsonReader.read(this.origin.host, name, bytes, ...args);
    } catch (error) {
      throw blamed(error, 'UNAVAILABLE', 'upstream sent');
    }
  }

  /** What is no success as an error; the response is disposed of. */
  async error(response: TransportResponse, unknown: UnknownCode): Promise<Error> {
    await using answer = response;
    using _limit = this.clock.after(maxExplanationMs, () => void answer[Symbol.asyncDispose]());
    return await upstreamError(answer, unknown, this.clock.now());
  }

  /** Did a GET lately succeed where HEAD was refused? */
  get refusesHead(): boolean {
    return this.clock.monotonic() < this.#headRefusedUntil;
  }

  /**
   * May a GET give what this answer to a HEAD denies? Not behind a challenge: all that we have was sent in answer to it, and a
   * GET would be sent without what was refused.
   */
  mayBeThere({ status, headers }: TransportResponse): boolean {
    const isChallenge = status === 401 && headers['www-authenticate'] !== undefined;
    return status === 200 || (mayBeAboutHead(status) && !isChallenge);
  }

  /**
   * A GET has just given what a HEAD was answered with this status for. Only a status that is about the method spares the next
   * HEADs, since a GET may count as a pull; of a 404 it is remembered, and said once, that this registry's means nothing.
   */
  contradictHead(status: number): void {
    const now = this.clock.monotonic();
    if (isAboutHead(status)) this.#headRefusedUntil = now + headRefusedMs;
    if ((status !== 404 && status !== 410) || now < this.#falseAbsenceUntil) return;
    this.#falseAbsenceUntil = now + headRefusedMs;
    this.onOddity('upstream answers HEAD with 404 for what a GET gives: each such HEAD costs a GET', {});
  }
}

/** A mirror that keeps repositories below a prefix (`/v2/proxy`) has no API there. */
function apiOf(place: string): string {
  const [, path = '/v2'] = /^(.*?\/v2)(?:\/|$)/.exec(place) ?? [];
  return path;
}
