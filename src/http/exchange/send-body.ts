import { ClientGoneError, type Exchange } from './exchange.ts';

/**
 * Writes a body as fast as the client takes it: a chunk's buffer is free again when its write's callback ran, and then the
 * next one is asked for. Throws ClientGoneError.
 */
export class BodyWriter {
  readonly #exchange: Exchange;
  #leave: (error: unknown) => void = () => {};

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    // Throws rather than to send more or less than was announced, which the client would take for another answer or wait for.
    exchange.response.strictContentLength = true;
    const { waiting } = exchange;
    waiting.addEventListener('abort', () => this.#leave(waiting.reason), { once: true });
  }

  /** Ahead of the body, where that is late. */
  sendHead(): void {
    const { response } = this.#exchange;
    if (!response.headersSent) response.flushHeaders();
  }

  async write(chunk: Uint8Array | string): Promise<void> {
    const { response, waiting } = this.#exchange;
    this.#exchange.firstByteAt ??= performance.now();
    await new Promise<void>((resolve, reject) => {
      this.#leave = reject;
      if (waiting.aborted) reject(waiting.reason);
      // Goes with the chunk, but before it is made Node does not know what was announced and would send all of the chunk.
      if (!response.headersSent) response.writeHead(response.statusCode);
      response.write(chunk, (cause) => (cause ? reject(new ClientGoneError({ cause })) : resolve()));
    });
    this.#exchange.bytes += chunk.length;
  }

  async writeAll(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of body) await this.write(chunk);
  }

  end(): void {
    this.#exchange.response.end();
  }
}
