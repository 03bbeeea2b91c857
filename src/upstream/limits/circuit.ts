import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import type { OnOddity } from '../../net/oddity.ts';
import { requestKind } from '../../net/request-kind.ts';
import { retryAfterMs } from '../../net/retry-after.ts';
import type { Transport, TransportRequest, TransportResponse } from '../../net/transport.ts';
import { NoRoom } from '../../oci/busy.ts';
import { RegistryError } from '../../oci/error.ts';
import { AfterAnswer, NoAnswer } from '../../oci/no-answer.ts';
import { Breaker, probeMs } from './breaker.ts';
import { limitedMs } from './quota.ts';
import { ToldOutages } from './told-outages.ts';

export interface CircuitSettings {
  readonly clock: Clock;
  readonly onOddity: OnOddity;
  /** Is a 429 somebody else's to heed? Default: it is ours. */
  readonly passesLimits?: boolean;
  /** Can somebody else be asked, so that waiting costs more than being wrong? Then one object's time-out is the host's. */
  readonly oneSilenceIsEnough?: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** What one request stands before. */
interface Passage {
  readonly kind: string;
  /** All requests of its kind; what fails there is a repository, or what several have in common. */
  readonly host: Breaker;
  readonly hostMoment: number;
  /** All requests of its repository; what fails there is an object. */
  readonly own: Breaker | undefined;
  readonly ownMoment: number;
}

/** Origins and kinds; of a registry there is one origin and a handful of kinds. */
const maxHosts = 100;
const maxRepositories = 1000;

/**
 * Spares clients the waiting for an upstream that is dead, and an upstream the requests that it has asked us not to send. A
 * failure counts for as much as it says something of: an object without an answer (a reset, what is no HTTP, silence) is its own
 * fault, three objects in a row are their repository's, three repositories the host's; a host that cannot be connected to is
 * dead at once, and one that says 429 limits us. A host is so by the kind of request, so that a limit on manifests does not stop
 * the blobs of an image that was begun. Whatever is answered ends it: what upstream answers about one image says nothing of another.
 * What was not sent, for want of a credential or by the address guard, says nothing at all.
 */
export class CircuitTransport implements Transport {
  readonly #next: Transport;
  readonly #settings: CircuitSettings;
  readonly #hosts = new LRUCache<string, Breaker>({ max: maxHosts });
  readonly #repositories = new LRUCache<string, Breaker>({ max: maxRepositories });

  readonly #outages: ToldOutages;

  constructor(next: Transport, settings: CircuitSettings) {
    this.#next = next;
    this.#settings = settings;
    this.#outages = new ToldOutages(settings.clock);
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const passage = this.#admit(request);
    try {
      const response = await this.#next.send(request);
      if (this.#isLimit(request, response)) this.#limited(passage, response);
      else this.#answered(request, passage);
      return response;
    } catch (error) {
      if (error instanceof RegistryError) this.#failed(request, passage, error);
      throw error;
    }
  }

  /** The limit of another host, to which a redirect led, is not the registry's: that has answered. */
  #isLimit({ url }: TransportRequest, response: TransportResponse): boolean {
    if (response.status !== 429 || this.#settings.passesLimits === true) return false;
    return response.url.origin === url.origin;
  }

  /** Throws, or lets it through. */
  #admit(request: TransportRequest): Passage {
    const kind = requestKind(request);
    const host = breakerOf(this.#hosts, `${request.url.origin} ${kind}`, this.#settings.clock);
    const own = this.#own(request);
    if (own?.isOpen === true || host.isOpen) pass(request, host, own);
    return { kind, host, hostMoment: host.moment, own, ownMoment: own?.moment ?? 0 };
  }

  #own({ url, repository }: TransportRequest): Breaker | undefined {
    if (repository === undefined) return undefined;
    return breakerOf(this.#repositories, `${url.origin} ${repository}`, this.#settings.clock);
  }

  #limited(passage: Passage, { url, headers }: TransportResponse): void {
    const error = new RegistryError('TOOMANYREQUESTS', `${url.origin} limits requests`);
    this.#open(url, passage, error, limitedMs(headers, this.#settings.clock.now()));
  }

  #failed(request: TransportRequest, passage: Passage, error: RegistryError): void {
    const { url } = request;
    if (error.code === 'TOOMANYREQUESTS') {
      if (this.#settings.passesLimits === true) return;
      this.#open(url, passage, error, retryAfterMs(error.headers['Retry-After'], this.#settings.clock.now()));
    } else if (error instanceof NoAnswer && error.saysOf !== 'nothing') {
      if (this.#isOfHost(request, error)) this.#open(url, passage, error);
      else this.#unanswered(request, passage, error);
    } else if (
      error instanceof NoRoom ||
      (error instanceof AfterAnswer && error.origin === request.url.origin)
    ) {
      this.#answered(request, passage);
    }
  }

  /** Another host, to which a redirect led, may be one object's. */
  #isOfHost({ url }: TransportRequest, { saysOf, origin, status }: NoAnswer): boolean {
    if (this.#settings.oneSilenceIsEnough === true && status === 504) return true;
    return saysOf === 'host' && origin === url.origin;
  }

  #open({ origin }: URL, { kind: requests, host }: Passage, error: RegistryError, saidMs = 0): void {
    const pauseMs = Math.max(probeMs, saidMs);
    const isNew = host.open(error, pauseMs);
    if (isNew || (error instanceof NoAnswer && this.#outages.isOwed(host)))
      this.#tellRest({ origin, requests }, error, pauseMs, host);
  }

  #unanswered(request: TransportRequest, passage: Passage, error: NoAnswer): void {
    const { kind, host, hostMoment, own, ownMoment } = passage;
    const { repository } = request;
    const { origin } = request.url;
    const object = objectOf(request);
    if (own?.failed([object], error, ownMoment) === true)
      this.#tellRest({ origin, repository }, error, probeMs);
    if (host.failed(namesOf(request, object), error, hostMoment) || this.#outages.isOwed(host))
      this.#tellRest({ origin, requests: kind }, error, probeMs, host);
  }

  #answered({ repository, url }: TransportRequest, passage: Passage): void {
    const { kind, host, hostMoment, own, ownMoment } = passage;
    this.#tellEnd(url, { repository }, own?.answered(ownMoment));
    this.#tellEnd(url, { requests: kind }, host.answered(hostMoment), host);
  }

  /** `about`: which requests, or which repository, fail at once until then. `host`: where that is an outage. */
  #tellRest(about: Fields, { code, forOperator }: RegistryError, pauseMs: number, host?: Breaker): void {
    const isLimit = code === 'TOOMANYREQUESTS';
    const what = isLimit ? 'upstream limits requests' : 'upstream unavailable';
    const level = host === undefined || isLimit ? 'warn' : this.#outages.begins(host);
    const retryInSeconds = Math.ceil(pauseMs / 1000);
    this.#settings.onOddity(what, { ...about, reason: forOperator, retryInSeconds }, level);
  }

  #tellEnd({ origin }: URL, about: Fields, openMs: number | undefined, host?: Breaker): void {
    if (openMs === undefined) return;
    const seconds = Math.round(openMs / 1000);
    const level = host === undefined ? 'warn' : this.#outages.ends(host);
    this.#settings.onOddity(
      `upstream available again after ${seconds} s`,
      { origin, ...about, seconds },
      level,
    );
  }
}

/** Throws where one of them does not let it through; then neither takes it for the one that was. */
function pass(request: TransportRequest, host: Breaker, own: Breaker | undefined): void {
  const object = objectOf(request);
  const names = namesOf(request, object);
  own?.check([object]);
  host.check(names);
  own?.letThrough([object]);
  host.letThrough(names);
}

function breakerOf(breakers: LRUCache<string, Breaker>, key: string, clock: Clock): Breaker {
  const known = breakers.get(key);
  if (known !== undefined) return known;
  const breaker = new Breaker(clock);
  breakers.set(key, breaker);
  return breaker;
}

/** A manifest, a blob, a list, whatever the method; a token server's are its scopes, wherever it is: one's realm is `/v2/auth`. */
function objectOf({ url, repository, body }: TransportRequest): string {
  if (repository !== undefined) return url.pathname;
  const scope = body === undefined ? '' : (new URLSearchParams(body).get('scope') ?? '');
  return `${url.pathname}${url.search} ${scope}`;
}

/** Its repository, and its digest, which is the same thing in others. */
function namesOf({ repository }: TransportRequest, object: string): string[] {
  const digest = /\/(sha(?:256|512):[0-9a-f]+)$/.exec(object)?.[1];
  const name = repository ?? object;
  return digest === undefined ? [name] : [name, digest];
}
