import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { GeneratedAnswer } from './answers.ts';

/** So long a connection stays open behind an answer that does not close it, unless it is asked again. Milliseconds. */
const lingerMs = 40;

/** What is sent for a path, and in which pieces. */
interface Sending {
  readonly text: string;
  readonly cuts: readonly number[];
  readonly closes: boolean;
  readonly sent: PromiseWithResolvers<void>;
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

  /** A path that is answered so, and when all of it was sent, or the connection closed. */
  offer({ text, cuts, closes }: Pick<GeneratedAnswer, 'text' | 'cuts' | 'closes'>): {
    path: string;
    sent: Promise<void>;
  } {
    this.#paths += 1;
    const path = `/${this.#paths}`;
    const sent = Promise.withResolvers<void>();
    this.#sendings.set(path, { text, cuts, closes, sent });
    return { path, sent: sent.promise };
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
      const path = /^\S+ (\S+)/.exec(data.toString('latin1'))?.[1] ?? '';
      const sending = this.#sendings.get(path);
      if (sending === undefined) return;
      clearTimeout(linger);
      turn = turn.then(async () => {
        await send(socket, sending);
        clearTimeout(linger);
        if (sending.closes) socket.end();
        else linger = setTimeout(() => socket.end(), lingerMs);
      });
    });
  }
}

async function send(socket: Socket, { text, cuts, sent }: Sending): Promise<void> {
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...cuts.map((part) => Math.floor(part * bytes.length)), bytes.length].toSorted(
    (a, b) => a - b,
  );
  let at = 0;
  for (const end of ends) {
    if (end > at && !socket.destroyed)
      await new Promise((written) => socket.write(bytes.subarray(at, end), written));
    at = Math.max(at, end);
    await setImmediate();
  }
  sent.resolve();
}
