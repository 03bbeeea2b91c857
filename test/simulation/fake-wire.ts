import { parseContentRange } from '#src/net/content-range.ts';
import type { Transport, TransportRequest, TransportResponse } from '#src/net/transport.ts';
import type { ByteCount } from './byte-count.ts';
import type { FakeAnswer } from './fake-answer.ts';
import { FakeBody } from './fake-body.ts';
import type { Asked, FakeRegistry } from './fake-registry.ts';
import type { Fault, Faults } from './faults.ts';
import type { Health, RequestKind } from './health.ts';
import type { Life } from './life.ts';
import type { Model } from './model.ts';
import type { Random } from './random.ts';
import { spoilings } from './spoil.ts';
import { short } from './trace.ts';
import { wireError } from './wire-error.ts';

/** How fast an upstream is. Milliseconds and bytes. */
export interface WirePace {
  readonly answerMs: number;
  readonly chunkMs: number;
  readonly chunkBytes: number;
}

export interface FakeWireParts {
  readonly life: Life;
  /** Whose requests they are, where there are several servers. */
  readonly by: string;
  readonly model: Model;
  readonly registry: FakeRegistry;
  readonly faults: Faults;
  readonly health: Health;
  readonly random: Random;
  readonly pace: WirePace;
  readonly headersTimeoutMs: number;
  readonly stallTimeoutMs: number;
  /** Told of each request that is sent. */
  readonly bytes: ByteCount;
  readonly onRequest: (request: TransportRequest, asked: Asked) => void;
  /** Told of each that is answered with a blob's bytes, as they should be. */
  readonly onTransfer: (request: TransportRequest, asked: Asked) => void;
}

const bodyFaults = ['cut', 'stall', 'drip'] as const;
const brokenConnections = { refused: 'ECONNREFUSED', reset: 'ECONNRESET', garbage: 'HPE_INVALID_CONSTANT' };

/** In the place of sockets: answers as the model has it, late, spoiled or not at all as the faults have it. */
export class FakeWire implements Transport, AsyncDisposable {
  readonly #parts: FakeWireParts;
  readonly #stop = new AbortController();
  /** Answers that were given and are not disposed of. */
  readonly open = new Set<FakeBody>();

  constructor(parts: FakeWireParts) {
    this.#parts = parts;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const { life, registry, faults, health, onRequest } = this.#parts;
    const { signal, url } = request;
    const { time } = life;
    signal?.throwIfAborted();
    if (!registry.owns(url)) throw wireError(url, 'ENOTFOUND');
    const asked = registry.asked(request);
    onRequest(request, asked);
    const fault = faults.of(asked, time);
    const met = fault === undefined ? undefined : this.#ifMet(fault, request, asked);
    const over = met === undefined ? () => {} : health.meet(met, asked, this.#kindOf(request, asked), time);
    try {
      await this.#late(request, asked, met);
      const right = registry.answer(request, asked, time);
      return this.#response(request, asked, right, met, time, () => over(life.time));
    } catch (error) {
      over(life.time);
      signal?.throwIfAborted();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the wire was closed'));
  }

  /** Undefined: it cannot show in an answer to this request. */
  #ifMet(fault: Fault, request: TransportRequest, asked: Asked): Fault | undefined {
    const isHead = request.method === 'HEAD';
    if (fault.kind in brokenConnections || fault.kind === 'silence' || fault.kind === 'slow') return fault;
    const answer = this.#parts.registry.answer(request, asked, this.#parts.life.time);
    const hasBody = !isHead && (asked.what === 'blob' || asked.what === 'manifest') && answer.body.length > 0;
    if (fault.kind === 'cut' || fault.kind === 'stall')
      return hasBody && answer.status < 300 ? fault : undefined;
    if (fault.kind === 'drip')
      return hasBody && asked.what === 'blob' && answer.status < 300 ? fault : undefined;
    return spoilings[fault.kind]?.applies(answer, asked, isHead, request.headers?.['range']) === true
      ? fault
      : undefined;
  }

  /** Until status line and headers are here. */
  async #late(request: TransportRequest, asked: Asked, fault: Fault | undefined): Promise<void> {
    const { random, pace, headersTimeoutMs } = this.#parts;
    const what = `${fault === undefined ? '' : `${fault.kind}: `}${request.method} ${short(this.#name(request, asked))}`;
    const { signal, url } = request;
    const wait = async (ms: number): Promise<void> =>
      await this.#parts.life.pause(ms, `upstream answers ${what}`, this.#ended(signal));
    if (fault?.kind === 'silence') {
      await wait(headersTimeoutMs);
      throw wireError(url, 'UND_ERR_HEADERS_TIMEOUT');
    }
    await wait(fault?.kind === 'slow' ? random.between(1000, 6000) : random.about(pace.answerMs));
    if (fault !== undefined && fault.kind in brokenConnections)
      throw wireError(url, brokenConnections[fault.kind as keyof typeof brokenConnections]);
  }

  #response(
    request: TransportRequest,
    asked: Asked,
    right: FakeAnswer,
    fault: Fault | undefined,
    sentAt: number,
    over: () => void,
  ): TransportResponse {
    const { life, random, pace, stallTimeoutMs, health, registry } = this.#parts;
    const spoiling = fault === undefined ? undefined : spoilings[fault.kind];
    const answer =
      fault === undefined || spoiling === undefined
        ? right
        : spoiling.spoil(right, asked, this.#parts.model, fault);
    const isBulk = request.bulk === true;
    const body = new FakeBody({
      bytes: request.method === 'HEAD' ? new Uint8Array() : answer.body,
      life,
      random,
      pace,
      stallTimeoutMs,
      label: `upstream sends ${short(asked.reference ?? asked.what)}`,
      signal: this.#ended(request.signal),
      brings: this.#counting(request, asked, answer, fault),
      breaks: bodyFaults.find((kind) => kind === fault?.kind),
      isTakenBack: isBulk,
      over: () => {
        over();
        this.open.delete(body);
      },
    });
    this.open.add(body);
    // A redirect is no answer yet.
    if (answer.status !== 429 && answer.status !== 307)
      health.answered(asked.host, this.#kindOf(request, asked), registry.askedAt(request, sentAt), life.time);
    return {
      status: answer.status,
      headers: answer.headers,
      url: request.url,
      body,
      ...(isBulk && { giveBack: (chunk: Uint8Array) => body.takeBack(chunk) }),
      [Symbol.asyncDispose]: async () => body.end(),
    };
  }

  /** Of what is as it should be. */
  #counting(
    request: TransportRequest,
    asked: Asked,
    { status, headers }: FakeAnswer,
    fault: Fault | undefined,
  ): ((length: number) => void) | undefined {
    const { bulk, method } = request;
    if (bulk !== true || method !== 'GET' || asked.what !== 'blob' || fault !== undefined) return undefined;
    if (status !== 200 && status !== 206) return undefined;
    this.#parts.onTransfer(request, asked);
    return this.#parts.bytes.begin(asked, parseContentRange(headers['content-range'])?.first ?? 0);
  }

  #ended(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
  }

  #kindOf({ method }: TransportRequest, { what }: Asked): RequestKind {
    return { kind: `${method} ${what === 'redirect' ? 'blob' : what}`, by: this.#parts.by };
  }

  #name({ url, headers }: TransportRequest, { what, repository, reference }: Asked): string {
    const range = headers?.['range'] === undefined ? '' : ` ${headers['range']}`;
    return repository === undefined
      ? `${what} ${url.hostname}${url.pathname}${range}`
      : `${what} ${repository.name} ${reference ?? ''}${range}`;
  }
}
