import type { Socket, TcpNetConnectOpts } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { type ConnectorSettings, connectGuarded } from '../dial/guarded-connector.ts';
import { errors } from '../undici-core.ts';
import { ReceiveBuffer, type ReceiveBuffers } from './receive-buffer.ts';
import { receiveTurns } from './receive-turns.ts';
import { ResponseReader } from './response-reader.ts';

export interface ConnectionSettings extends ConnectorSettings {
  readonly clock: Clock;
  /** What large bodies are received into. Without them, and through a proxy, Node makes a buffer for each piece. */
  readonly buffers?: ReceiveBuffers | undefined;
}

export interface ExchangeSettings {
  readonly method: string;
  /** Until the first byte. */
  readonly silenceMs: number;
  /** From the first byte until the head is whole. */
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

/**
 * One socket that carries one request after the other. It reads no further than its reader does, and a byte that belongs to no answer
 * ends it.
 */
export class Connection implements Disposable {
  readonly #clock: Clock;
  readonly #buffer: ReceiveBuffer | undefined;
  #socket: Socket | undefined;
  #exchange: Exchange | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Has its reader enough for now? */
  #isPaused = false;
  /** Have others their turn? */
  #isHeld = false;
  #isDraining = false;
  #isOver = false;
  #showedItsEnd = true;
  #heardAt = Number.NEGATIVE_INFINITY;
  #unused: (() => void) | undefined;

  private constructor(clock: Clock, buffers: ReceiveBuffers | undefined) {
    this.#clock = clock;
    this.#buffer = buffers && new ReceiveBuffer(buffers);
  }

  /** Throws what connecting throws, DENIED by the guard, or the signal's reason. */
  static async open(settings: ConnectionSettings, url: URL, signal: AbortSignal): Promise<Connection> {
    const isDirect = settings.proxies.of(url) === undefined;
    const connection = new Connection(settings.clock, isDirect ? settings.buffers : undefined);
    const dialing = new AbortController();
    const abort = () => dialing.abort(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const more = { ...connection.#intake(), signal: dialing.signal };
      connection.#attach(await connectGuarded(settings, url, more));
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
    return !this.#isOver && this.#socket !== undefined && !this.#socket.destroyed && this.#socket.writable;
  }

  get isFree(): boolean {
    return this.isOpen && this.#exchange === undefined;
  }

  /** When its last answer ended, or it was made, by {@link Clock.monotonic}. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Did the bytes of its last answer show where that ends? */
  get showedItsEnd(): boolean {
    return this.#showedItsEnd;
  }

  /** Sends a request and reads its response, one at a time. */
  exchange(request: string, settings: ExchangeSettings): ResponseReader {
    const reader = new ResponseReader(settings.method, () => this.#resume(reader));
    const abort = () => this.#break(settings.signal?.reason);
    this.#exchange = { ...settings, reader, abort };
    this.#isDraining = false;
    this.#unused = undefined;
    settings.signal?.addEventListener('abort', abort, { once: true });
    this.#arm(settings.silenceMs);
    if (settings.signal?.aborted === true) abort();
    else if (!this.isOpen) this.#break(this.#closed());
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
    this.#heardAt = this.#clock.monotonic();
    // It spoke before it was asked: that would be taken for the first answer.
    if (this.#isOver || socket.readableLength > 0) return void this.#break(undefined);
    socket.on('error', (error) => this.#break(error));
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#break(this.#closed()));
    if (this.#buffer === undefined)
      socket.on('data', (bytes: Buffer) => this.#receive(bytes) || socket.pause());
  }

  /** With what tells whether the other side had said anything. */
  #closed(): Error {
    const { bytesRead = 0 } = this.#socket ?? {};
    return Object.assign(new errors.SocketError('other side closed'), { socket: { bytesRead } });
  }

  /** Where the socket puts what it receives. */
  #intake(): Pick<TcpNetConnectOpts, 'onread'> {
    const buffer = this.#buffer;
    if (buffer === undefined) return {};
    return {
      onread: {
        buffer: () => buffer.room(this.#exchange?.reader.hasBegun !== true),
        callback: (length) => this.#receive(buffer.take(length)),
      },
    };
  }

  /** Returns whether to read on. */
  #receive(bytes: Buffer): boolean {
    const exchange = this.#exchange;
    // What nobody asked for would be taken for the next answer.
    if (exchange === undefined) return this.#break(undefined);
    const { reader } = exchange;
    try {
      const { hasBegun, hasHead } = reader;
      const before = reader.body.lent;
      const used = reader.push(bytes);
      this.#buffer?.done(bytes.length - (reader.body.lent - before));
      if (reader.isComplete) return this.#finish(exchange, used === bytes.length && reader.keepsAlive);
      if (!this.#isDraining) this.#progress(exchange, hasBegun, hasHead);
    } catch (error) {
      return this.#break(error);
    }
    // Once stopped it stays so until the reader wants more: of TLS comes, all the same, what is decrypted already.
    this.#isPaused ||= reader.body.isFull;
    this.#isHeld ||= receiveTurns.isOver(bytes.length, this.#clock, this.#goOn);
    return !this.#isPaused && !this.#isHeld;
  }

  /** `hadBegun`, `hadHead`: before these bytes came. */
  #progress(
    { reader, headersTimeoutMs, stallTimeoutMs }: Exchange,
    hadBegun: boolean,
    hadHead: boolean,
  ): void {
    if (hadHead) this.#timer?.refresh();
    else if (reader.hasHead) this.#arm(stallTimeoutMs);
    else if (!hadBegun) this.#arm(headersTimeoutMs);
  }

  #resume(reader: ResponseReader): void {
    if (!this.#isPaused || this.#exchange?.reader !== reader) return;
    this.#timer?.refresh();
    this.#readOn();
  }

  #readOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (!this.#isHeld) this.#socket?.resume();
  }

  #endHold(): void {
    if (!this.#isHeld) return;
    receiveTurns.leave(this.#goOn);
    this.#goOn();
  }

  readonly #goOn = (): void => {
    this.#isHeld = false;
    this.#timer?.refresh();
    if (!this.#isPaused) this.#socket?.resume();
  };

  #end(): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return void this.#break(undefined);
    try {
      exchange.reader.end();
    } catch {
      return void this.#break(this.#closed());
    }
    this.#finish(exchange, false);
  }

  #finish(exchange: Exchange, keep: boolean): boolean {
    this.#settle(exchange);
    this.#heardAt = this.#clock.monotonic();
    this.#showedItsEnd = exchange.reader.showsItsEnd;
    // Nothing more is to come, and what comes all the same is to be seen before the next request.
    this.#endHold();
    if (keep) this.#readOn();
    else this.#socket?.destroy();
    exchange.done();
    return keep;
  }

  #break(error: unknown): false {
    const exchange = this.#exchange;
    if (exchange !== undefined) this.#settle(exchange);
    clearTimeout(this.#timer);
    this.#isOver = true;
    receiveTurns.leave(this.#goOn);
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

  /** While the reader is busy, or others are, it is not the peer who is slow. */
  #timeOut(): void {
    if (this.#isPaused || this.#isHeld) return;
    const hasHead = this.#exchange?.reader.hasHead === true;
    this.#break(hasHead ? new errors.BodyTimeoutError() : new errors.HeadersTimeoutError());
  }
}
