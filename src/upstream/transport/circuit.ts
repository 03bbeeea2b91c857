import type { Clock } from '../../clock.ts';
import { RegistryError } from '../../oci/error.ts';
import { limitedMs } from '../quota/quota.ts';
import type { OnOddity } from './oddity.ts';
import { requestKind } from './request-kind.ts';
import { retryAfterMs } from './retry-after.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

export interface CircuitSettings {
  readonly clock: Clock;
  readonly onOddity: OnOddity;
}

/** Why requests of a kind are not sent, and until when; then one is let through to see. */
interface Opening {
  readonly error: RegistryError;
  /** By {@link Clock.monotonic}. */
  until: number;
}

/** An upstream that does not answer is asked so often, and one that limits us without saying for how long. */
const probeMs = 2000;

/**
 * Spares clients the waiting for an upstream that is dead, and an upstream the requests that it has asked us not to send: a
 * circuit for each kind of request, so that a limit on manifests does not stop the blobs of an image that was begun. While one
 * is open its requests fail at once with upstream's own failure; every two seconds, or when a Retry-After is over, one is let
 * through, and the first that is answered closes it. Only a missing answer and a 429 open it: what upstream answers about
 * one image says nothing of another.
 */
export class CircuitTransport implements Transport {
  readonly #next: Transport;
  readonly #settings: CircuitSettings;
  readonly #open = new Map<string, Opening>();

  constructor(next: Transport, settings: CircuitSettings) {
    this.#next = next;
    this.#settings = settings;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const kind = requestKind(request);
    this.#admit(kind);
    try {
      const response = await this.#next.send(request);
      if (response.status === 429) this.#limited(kind, response);
      else this.#close(kind);
      return response;
    } catch (error) {
      if (error instanceof RegistryError) this.#failed(kind, error);
      throw error;
    }
  }

  /** Throws, or lets one through to see. */
  #admit(kind: string): void {
    const opening = this.#open.get(kind);
    if (opening === undefined) return;
    const now = this.#settings.clock.monotonic();
    if (now < opening.until) throw again(opening.error, opening.until - now);
    opening.until = now + probeMs;
  }

  #limited(kind: string, response: TransportResponse): void {
    this.#trip(kind, limitedBy(response), limitedMs(response.headers, this.#settings.clock.now()));
  }

  #failed(kind: string, error: RegistryError): void {
    const now = this.#settings.clock.now();
    if (error.code === 'TOOMANYREQUESTS')
      this.#trip(kind, error, retryAfterMs(error.headers['Retry-After'], now));
    else if (isNoAnswer(error)) this.#trip(kind, error, undefined);
    else if (error.code === 'DENIED') this.#close(kind);
  }

  #trip(kind: string, error: RegistryError, saidMs: number | undefined): void {
    const { clock, onOddity } = this.#settings;
    const pauseMs = Math.max(probeMs, saidMs ?? 0);
    const wasOpen = this.#open.has(kind);
    this.#open.set(kind, { error, until: clock.monotonic() + pauseMs });
    if (!wasOpen) onOddity('upstream is given a rest', { kind, pauseMs, reason: error.message });
  }

  #close(kind: string): void {
    if (this.#open.delete(kind)) this.#settings.onOddity('upstream is asked again', { kind });
  }
}

/** No connection, no answer in time, no token: not an answer about one thing. */
function isNoAnswer({ code, cause, status }: RegistryError): boolean {
  return code === 'UNAVAILABLE' && (cause !== undefined || status === 503 || status === 504);
}

function limitedBy({ url }: TransportResponse): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', `${url.origin} limits requests`);
}

/** The failure that opened the circuit, for one that was not sent. */
function again({ code, message, status }: RegistryError, leftMs: number): RegistryError {
  const seconds = String(Math.ceil(leftMs / 1000));
  return new RegistryError(code, `${message}; asked again in ${seconds} s`, {
    status,
    headers: { 'Retry-After': seconds },
  });
}
