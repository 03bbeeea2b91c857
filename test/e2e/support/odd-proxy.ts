import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { type Oddity, OddityPlan } from './oddities.ts';

/** What a request was answered with. */
export interface Answer {
  readonly method: string;
  readonly path: string;
  /** The header of the request. */
  readonly range: string | undefined;
  readonly status: number;
  /** Of the object, before the first byte of a body that was sent. */
  readonly first: number;
  /** Bytes of the body that were sent. */
  readonly sent: number;
  /** Then they may not have arrived: by us, or by who asked, who had waited long enough (of us on a slow machine). */
  isReset: boolean;
  readonly size: number;
}

/** An answer as it is sent, if it is not cut. */
interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly first: number;
  readonly body: Buffer;
}

/** What the registry has. */
interface Original {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

interface Cut {
  readonly after: number;
  readonly how?: Oddity;
}

const block = 256 * 1024;
/** Of what was asked for a shorter part has so much, in bytes: any server may have such a bound. */
const shorterPart = 1024 * 1024;
const isBlob = /\/blobs\/sha256:[0-9a-f]+$/;
const passedOn = ['content-type', 'docker-content-digest', 'docker-distribution-api-version', 'etag'];
/** What comes behind the end of an answer: whoever goes on reading takes it for the next one. */
const surplus = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nnot for you';

/** Before a registry over HTTP: everything that it has comes, but in odd ways. */
export class OddProxy implements AsyncDisposable {
  /** How often each oddity was met. */
  readonly met = new Map<Oddity, number>();
  /** `127.0.0.1:port` */
  readonly host: string;
  /** By the place in the order in which they were asked for; a place is empty until its answer begins. */
  readonly #answers: Answer[] = [];
  #asked = 0;
  readonly #registry: string;
  readonly #plan: OddityPlan;
  readonly #server: Server;

  private constructor(registry: string, seed: number, server: Server) {
    this.#registry = registry;
    this.#plan = new OddityPlan(seed);
    this.#server = server.on('request', (request, response) => void this.#serve(request, response));
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param registry its URL */
  static async open(registry: string, seed: number): Promise<OddProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new OddProxy(registry, seed, server);
  }

  /** In the order in which they were asked for. On a slow machine the first may come last, when who asked has left and asked again. */
  get answers(): readonly Answer[] {
    return this.#answers.flat();
  }

  /** From now on connections are refused. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const place = this.#asked++;
    try {
      const { url: path = '', method } = request;
      const delayMs = this.#plan.delayMs(path);
      if (delayMs > 0) {
        this.#meet('delay');
        await setTimeout(delayMs);
      }
      const original = await this.#fetch(path, request.headers.accept);
      const answer =
        method === 'HEAD'
          ? this.#answerHead(request, response, original)
          : this.#answerGet(request, response, original);
      this.#answers[place] = answer;
    } catch {
      response.destroy();
    }
  }

  async #fetch(path: string, accept = '*/*'): Promise<Original> {
    const response = await fetch(`${this.#registry}${path}`, { headers: { accept } });
    const headers = passedOn.flatMap((name) => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    const body = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: Object.fromEntries(headers), body };
  }

  #answerHead(request: IncomingMessage, response: ServerResponse, original: Original): Answer {
    const oddity = this.#plan.ofHead();
    if (oddity !== undefined) this.#meet(oddity);
    const status = oddity === 'HEAD: 404' ? 404 : original.status;
    const length = oddity === 'HEAD: no length' ? 0 : original.body.length;
    const headers = { ...(status === 404 ? {} : original.headers), 'content-length': String(length) };
    if (oddity !== 'HEAD: a body') response.writeHead(status, headers).end();
    else response.socket?.write(`${headText(status, headers)}${surplus}`);
    return noted(request, { ...original, status, first: 0 }, original, { after: 0 });
  }

  #answerGet(request: IncomingMessage, response: ServerResponse, original: Original): Answer {
    const { url: path = '' } = request;
    const reply = this.#labelled(path, isGzip(original.body), this.#reply(request, original));
    const { status, headers, body } = reply;
    response.writeHead(status, { ...headers, 'content-length': String(body.length) });
    const cut = status < 300 ? this.#plan.cut(path, body.length) : undefined;
    const answer = noted(request, reply, original, cut);
    if (cut === undefined) {
      response.once('close', () => {
        answer.isReset ||= !response.writableFinished;
      });
      response.end(body);
      return answer;
    }
    this.#meet(cut.how);
    response.write(body.subarray(0, cut.after), () => {
      if (cut.how === 'reset') response.socket?.resetAndDestroy();
      else response.socket?.destroySoon();
    });
    return answer;
  }

  #reply(request: IncomingMessage, original: Original): Reply {
    const { url: path = '', headers } = request;
    const whole = { ...original, first: 0 };
    const range = rangeOf(headers.range, original.body.length);
    if (range === undefined || original.status !== 200 || !isBlob.test(path)) return whole;
    const oddity = this.#plan.ofRange(path);
    if (oddity !== undefined) this.#meet(oddity);
    const { first, last } = range;
    switch (oddity) {
      case 'range: 416':
        return refusal(416);
      case 'range: 403':
        return refusal(403);
      case 'range: the whole':
        return whole;
      case 'range: a shorter part':
        return part(original, first, Math.min(last, first + shorterPart - 1));
      case 'range: from a block border before':
        return part(original, first - (first % block), last);
      default:
        return part(original, first, last);
    }
  }

  /** A layer that is a gzip file, as some servers call what they take for compressed on its way (moby#17595). */
  #labelled(path: string, isGzip: boolean, reply: Reply): Reply {
    if (!isGzip || reply.status >= 300 || !this.#plan.isLabelled(path)) return reply;
    this.#meet('labelled gzip');
    return { ...reply, headers: { ...reply.headers, 'content-encoding': 'gzip' } };
  }

  #meet(oddity: Oddity): void {
    this.met.set(oddity, (this.met.get(oddity) ?? 0) + 1);
  }
}

function noted(
  request: IncomingMessage,
  { status, first, body }: Reply,
  original: Original,
  cut: Cut = { after: body.length },
): Answer {
  const { method = '', url: path = '', headers } = request;
  return {
    method,
    path,
    range: headers.range,
    status,
    first,
    sent: cut.after,
    isReset: cut.how === 'reset' || request.socket.destroyed,
    size: original.body.length,
  };
}

/** `bytes=N-` or `bytes=N-M`, as it is asked for here. */
function rangeOf(header: string | undefined, size: number) {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === undefined || Number(first) >= size) return undefined;
  return { first: Number(first), last: last === undefined || last === '' ? size - 1 : Number(last) };
}

function part({ headers, body }: Original, first: number, last: number): Reply {
  const range = { 'content-range': `bytes ${first}-${last}/${body.length}` };
  return { status: 206, headers: { ...headers, ...range }, first, body: body.subarray(first, last + 1) };
}

function refusal(status: number): Reply {
  return { status, headers: { 'content-type': 'text/plain' }, first: 0, body: Buffer.from('no\n') };
}

function headText(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} OK\r\n${lines.join('')}\r\n`;
}

/** RFC 1952 section 2.3.1. */
function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}
