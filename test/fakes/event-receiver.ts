import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** An event as it was received, as far as tests look at it. */
export interface ReceivedEvent {
  readonly id: string;
  readonly action: string;
  readonly target: Readonly<Record<string, unknown>>;
  readonly request?: Readonly<Record<string, unknown>>;
  readonly actor: Readonly<Record<string, unknown>>;
}

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Somebody who wants to be told, on loopback. */
export class EventReceiver implements AsyncDisposable {
  /** What it answers; `undefined`: nothing at all. */
  status: number | undefined = 200;
  readonly received: Received[] = [];
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      this.received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      if (this.status !== undefined) response.writeHead(this.status).end();
    });
  });

  static async start(): Promise<EventReceiver> {
    const receiver = new EventReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  /** Of the answers that were a success, or are to be. */
  get events(): ReceivedEvent[] {
    return this.received.flatMap(({ body }) => (JSON.parse(body) as { events: ReceivedEvent[] }).events);
  }

  /** The first that is so. Bounded by ten seconds: machines are slow. */
  async event(isMeant: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent> {
    for (const giveUpAt = Date.now() + 10_000; Date.now() < giveUpAt; await sleep(10)) {
      const found = this.events.find(isMeant);
      if (found !== undefined) return found;
    }
    throw new Error(`no such event: ${JSON.stringify(this.events)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
