import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { GeneratedAnswer } from './answers.ts';

/** So long a connection stays open behind an answer that does not close it, unless it is asked again. Milliseconds. */
const lingerMs = 40;

/** What is sent for a path, and in which pieces. */
type Content = Pick<GeneratedAnswer, 'text' | 'cuts' | 'pauseMs' | 'closes'>;

/** An answer that is to be asked for, once. */
export interface Offer {
  readonly path: string;
  /** Settles when all of it was sent. */
  readonly sent: Promise<void>;
  /** By which connection it was asked for. */
  readonly socket: Socket | undefined;
}

class Sending implements Offer {
  readonly path: string;
  readonly content: Content;
  socket: Socket | undefined;
  readonly #sent = Promise.withResolvers<void>();

  constructor(path: string, content: Content) {
    this.path = path;
    this.content = content;
  }

  get sent(): Promise<void> {
    return this.#sent.promise;
  }

  async to(socket: Socket): Promise<void> {
    const { text, cuts, pauseMs } = this.content;
    const bytes = Buffer.from(text, 'latin1');
    let at = 0;
    for (const end of [...cuts, bytes.length].toSorted((a, b) => a - b)) {
      if (end <= at) continue;
      if (at > 0) await (pauseMs === 0 ? setImmediate() : sleep(pauseMs));
      if (!socket.destroyed) await written(socket, bytes.subarray(at, end));
      at = end;
    }
    this.#sent.resolve();
  }
}

/** Answers each path by the bytes that it was given for it, in their pieces, and one connection's requests in their order. */
export class AnswerServer implements AsyncDisposable {
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();
  readonly #sendings = new Map<string, Sending>();
  #paths = 0;

  static async start(): Promise<AnswerServer> {
    const server = new AnswerServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A path of its own that is answered so. */
  offer(content: Content): Offer {
    this.#paths += 1;
    const sending = new Sending(`/${this.#paths}`, content);
    this.#sendings.set(sending.path, sending);
    return sending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    let turn = Promise.resolve();
    let linger: NodeJS.Timeout | undefined;
    socket.on('data', (data) => {
      // Came when this end was closed: it will be asked again by another connection.
      if (socket.writableEnded) return;
      const path = /^\S+ (\S+)/.exec(data.toString('latin1'))?.[1] ?? '';
      const sending = this.#sendings.get(path);
      if (sending === undefined) return;
      this.#sendings.delete(path);
      sending.socket = socket;
      clearTimeout(linger);
      turn = turn.then(async () => {
        await sending.to(socket);
        clearTimeout(linger);
        if (sending.content.closes) socket.end();
        else linger = setTimeout(() => socket.end(), lingerMs);
      });
    });
  }
}

async function written(socket: Socket, bytes: Buffer): Promise<void> {
  await new Promise((done) => socket.write(bytes, done));
}
