import type { Socket } from 'node:net';
import { errors } from 'undici';
import { type ConnectorSettings, connectGuarded } from '../connection/guarded-connector.ts';
import { ReceiveBuffer, type ReceiveBuffers } from './receive-buffer.ts';
import { ResponseReader } from './response-reader.ts';

export interface BulkSettings extends ConnectorSettings {
  readonly buffers: ReceiveBuffers;
}

export interface ExchangeSettings {
  readonly headersTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called once when the connection is done with the exchange, however that ended. */
  readonly done: () => void;
}

interface Exchange extends ExchangeSettings {
  readonly reader: ResponseReader;
  readonly abort: () => void;
}

/** How long the unread rest of a short body may take. Milliseconds. */
const drainMs = 1000;

/** One socket that carries one GET after the other. It reads no further than its reader does. */
export class BulkConnection implements Disposable {
  readonly #buffer: ReceiveBuffer;
  #socket: Socket | undefined;
  #exchange: Exchange | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isPaused = false;
  #isDraining = false;
  #unused: (() => void) | undefined;

  private constructor(buffers: ReceiveBuffers) {
    this.#buffer = new ReceiveBuffer(buffers);
  }

  /** Throws what connecting throws, DENIED by the guard, or the signal's reason. */
  static async open(settings: BulkSettings, url: URL, signal: AbortSignal): Promise<BulkConnection> {
    const connection = new BulkConnection(settings.buffers);
    const dialing = new AbortController();
    const abort = () => dialing.abort(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const onread = {
        buffer: () => connection.#buffer.room(connection.#exchange?.reader.hasBegun !== true),
        callback: (length: number) => connection.#receive(length),
      };
      connection.#attach(await connectGuarded(settings, url, { onread, signal: dialing.signal }));
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
    if (signal.aborted) {
      connection[Symbol.dispose]();
      signal.throwIfAborted();
    }
    return connection;
  }

  /** Can it carry another exchange? */
  get isOpen(): boolean {
    return this.#socket !== undefined && !this.#socket.destroyed && this.#socket.writable;
  }

  get isFree(): boolean {
    return this.isOpen && this.#exchange === undefined;
  }

  /** Sends a request and reads its response, one at a time. */
  exchange(request: string, settings: ExchangeSettings): ResponseReader {
    const reader = new ResponseReader(() => this.#resume(reader));
    const abort = () => this.#break(settings.signal?.reason);
    this.#exchange = { ...settings, reader, abort };
    this.#isDraining = false;
    this.#unused = undefined;
    settings.signal?.addEventListener('abort', abort, { once: true });
    this.#arm(settings.headersTimeoutMs);
    if (settings.signal?.aborted === true) abort();
    else if (!this.isOpen) this.#break(new errors.SocketError('other side closed'));
    else this.#socket?.ref().write(request, 'latin1');
    return reader;
  }

  /** Ends the exchange of this reader: a rest that is short is read away, a longer one costs the connection. */
  leave(reader: ResponseReader, isShort: boolean): void {
    reader.body.discard();
    if (this.#exchange?.reader !== reader) return;
    if (!isShort) this.#break(new Error('this body was disposed of'));
    else {
      this.#isDraining = true;
      this.#arm(drainMs);
      this.#resume(reader);
    }
  }

  /** For a connection without an exchange: ends it after so long. `ended` is called when it ended before its next use. */
  idle(milliseconds: number, ended: () => void): void {
    this.#unused = ended;
    this.#socket?.unref();
    this.#arm(milliseconds);
  }

  [Symbol.dispose](): void {
    this.#break(new errors.SocketError('the connection was given up'));
  }

  #attach(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', (error) => this.#break(error));
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#break(new errors.SocketError('other side closed')));
  }

  /** Bytes lie in the buffer; returns whether to read on. */
  #receive(length: number): boolean {
    const bytes = this.#buffer.take(length);
    const exchange = this.#exchange;
    // What nobody asked for would be taken for the next answer.
    if (exchange === undefined) return this.#break(undefined);
    const { reader } = exchange;
    try {
      const hadHead = reader.hasHead;
      const before = reader.body.received;
      const used = reader.push(bytes);
      this.#buffer.done(length - (reader.body.received - before));
      if (reader.isComplete) return this.#finish(exchange, used === bytes.length && reader.keepsAlive);
      if (reader.hasHead && !this.#isDraining) this.#progress(exchange, hadHead);
    } catch (error) {
      return this.#break(error);
    }
    // Once stopped it stays so until the reader wants more: of TLS comes, all the same, what is decrypted already.
    this.#isPaused ||= reader.body.isFull;
    return !this.#isPaused;
  }

  #progress({ stallTimeoutMs }: Exchange, hadHead: boolean): void {
    if (hadHead) this.#timer?.refresh();
    else this.#arm(stallTimeoutMs);
  }

  #resume(reader: ResponseReader): void {
    if (!this.#isPaused || this.#exchange?.reader !== reader) return;
    this.#timer?.refresh();
    this.#readOn();
  }

  #readOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  #end(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return void this.#break(undefined);
    try {
      exchange.reader.end();
      this.#finish(exchange, false);
    } catch (error) {
      this.#break(error);
    }
  }

  #finish(exchange: Exchange, keep: boolean): boolean {
    this.#settle(exchange);
    if (keep) this.#readOn();
    else this.#socket?.destroy();
    exchange.done();
    return keep;
  }

  #break(error: unknown): false {
    const exchange = this.#exchange;
    if (exchange !== undefined) this.#settle(exchange);
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    exchange?.reader.fail(error);
    exchange?.done();
    this.#unused?.();
    this.#unused = undefined;
    return false;
  }

  #settle({ signal, abort }: Exchange): void {
    clearTimeout(this.#timer);
    signal?.removeEventListener('abort', abort);
    this.#exchange = undefined;
  }

  #arm(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#timeOut(), milliseconds).unref();
  }

  /** While the reader is busy, it is not the peer who is slow. */
  #timeOut(): void {
    if (this.#isPaused) return;
    const hasHead = this.#exchange?.reader.hasHead === true;
    this.#break(hasHead ? new errors.BodyTimeoutError() : new errors.HeadersTimeoutError());
  }
}
