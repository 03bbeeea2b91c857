import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { systemClock } from '#src/base/clock.ts';
import { AddressGuard } from '#src/net/dial/address-guard.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';
import { TlsTrust } from '#src/net/dial/tls-trust.ts';
import type { TransportRequest, TransportResponse } from '#src/net/transport.ts';
import type { WireSettings } from '#src/net/wire/http-transport.ts';
import { Wire } from '#src/net/wire/wire.ts';
import { someNames } from './names.ts';

export type Answer = (socket: Socket, request: string) => void;

/** The two ways in which the wire receives: a blob into buffers that are used again, all else as Node hands it out. */
export const kinds = ['a blob', 'a manifest'] as const;

export interface PeerSettings extends Partial<WireSettings> {
  readonly kind: (typeof kinds)[number];
  readonly serverTls?: TlsOptions;
}

/** A server that answers request after request with whatever it likes, and the wire that asks it. */
export class RawPeer implements AsyncDisposable {
  readonly requests: string[] = [];
  readonly sockets: Socket[] = [];
  readonly url: URL;
  readonly wire: Wire;
  readonly #server: Server;
  readonly #answers: Answer[];
  readonly #bulk: boolean;

  private constructor(server: Server, answers: Answer[], { kind, serverTls, ...settings }: PeerSettings) {
    this.#server = server;
    this.#answers = answers;
    this.#bulk = kind === 'a blob';
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.url = new URL(`${serverTls === undefined ? 'http' : 'https'}://${host}/it`);
    const guard = new AddressGuard({ host, origin: this.url, configured: true, unknownRegistries: 'none' });
    this.wire = new Wire({
      clock: systemClock,
      guard,
      proxies: ProxyChoice.none,
      names: someNames(),
      hostname: '127.0.0.1',
      tls: {},
      trust: new TlsTrust({}),
      connectTimeoutMs: 5000,
      headersTimeoutMs: 5000,
      stallTimeoutMs: 5000,
      maxConcurrent: 1,
      userAgent: 'test',
      ...settings,
    });
    server.on(serverTls === undefined ? 'connection' : 'secureConnection', (socket) => this.#serve(socket));
  }

  /** The last answer is given again and again. */
  static async start(answers: (Answer | string)[], settings: PeerSettings): Promise<RawPeer> {
    const { serverTls } = settings;
    const server = serverTls === undefined ? createServer() : createTlsServer(serverTls);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const given = answers.map((answer) => (typeof answer === 'string' ? sending(answer) : answer));
    return new RawPeer(server, given, settings);
  }

  async send(more: Partial<TransportRequest> = {}): Promise<TransportResponse> {
    return await this.wire.send({ method: 'GET', url: this.url, bulk: this.#bulk, ...more });
  }

  async text(more: Partial<TransportRequest> = {}): Promise<string> {
    await using response = await this.send(more);
    let text = '';
    for await (const chunk of response.body) text += chunk.toString('latin1');
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.wire[Symbol.asyncDispose]();
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
      this.requests.push(data.toString('latin1'));
      answer?.(socket, data.toString('latin1'));
    });
  }
}

export function sending(...parts: (string | Buffer)[]): Answer {
  return (socket) => {
    for (const part of parts) socket.write(typeof part === 'string' ? Buffer.from(part, 'latin1') : part);
  };
}

export async function closed(socket: Socket | undefined): Promise<void> {
  if (socket !== undefined && !socket.closed) await once(socket, 'close');
}
