import { maxHeadBytes } from '../connection-limits.ts';
import { errors } from '../undici-core.ts';
import { type BodyFraming, framingOf } from './body-framing.ts';
import { BodyQueue } from './body-queue.ts';
import { checkLineEnds, malformed, parseResponseHead, type ResponseHead } from './response-head.ts';

/** Interim responses (RFC 9110 section 15.2) before the one that counts. */
const maxInterim = 20;
const version = 'HTTP/1.';
const headEnd = '\r\n\r\n';

/** Bytes of a connection → one response. It knows no socket: whoever has one pushes. */
export class ResponseReader {
  /** Settles with the final head. */
  readonly head: Promise<ResponseHead>;
  readonly body: BodyQueue;
  readonly #method: string;
  readonly #head = Promise.withResolvers<ResponseHead>();
  #text = '';
  #seen = 0;
  #interim = 0;
  #answer: ResponseHead | undefined;
  #framing: BodyFraming | undefined;

  /** `method`: the request's, by which an answer has a body or none. */
  constructor(method: string, onRoom: () => void) {
    this.#method = method;
    this.body = new BodyQueue(onRoom);
    this.head = this.#head.promise;
    // It may fail when nobody waits any more.
    this.head.catch(() => undefined);
  }

  /** Has a byte of the response come? */
  get hasBegun(): boolean {
    return this.#seen > 0;
  }

  get hasHead(): boolean {
    return this.#framing !== undefined;
  }

  get isComplete(): boolean {
    return this.#framing?.isComplete === true;
  }

  /** May the connection carry another exchange, once this is complete? */
  get keepsAlive(): boolean {
    if (this.#answer === undefined || this.#answer.minorVersion === 0) return false;
    return !/(?:^|[\s,])close(?:$|[\s,])/i.test(this.#answer.headers['connection'] ?? '');
  }

  /**
   * Do its own bytes show where it ends? What has no body by its kind ends behind its head, but whether the server knows that is not
   * seen until it sends one all the same.
   */
  get showsItsEnd(): boolean {
    return this.#framing?.showsItsEnd === true;
  }

  /** Returns how many bytes belong to this response. Throws HTTPParserError, HeadersOverflowError. */
  push(bytes: Buffer): number {
    let at = 0;
    while (this.#framing === undefined && at < bytes.length) at += this.#readHead(bytes.subarray(at));
    const framing = this.#framing;
    if (framing === undefined) return at;
    while (at < bytes.length && !framing.isComplete) {
      const { end, isContent } = framing.read(bytes, at);
      if (isContent) this.body.push(bytes.subarray(at, end));
      at = end;
    }
    if (framing.isComplete) this.body.end();
    return at;
  }

  /** The peer will send no more. Throws SocketError where something is missing. */
  end(): void {
    if (this.#framing?.endsWithConnection === true) this.body.end();
    else if (!this.isComplete) throw new errors.SocketError('other side closed');
  }

  fail(error: unknown): void {
    this.#head.reject(error);
    this.body.fail(error);
  }

  #readHead(bytes: Buffer): number {
    const before = this.#text.length;
    this.#text += bytes.toString('latin1', 0, Math.min(lengthOfHead(bytes), maxHeadBytes - this.#seen + 1));
    const end = this.#text.indexOf(headEnd, Math.max(0, before - headEnd.length + 1));
    const taken = (end === -1 ? this.#text.length : end + headEnd.length) - before;
    this.#seen += taken;
    if (this.#seen > maxHeadBytes) throw new errors.HeadersOverflowError();
    if (!this.#text.startsWith(version.slice(0, this.#text.length))) {
      throw malformed('no HTTP', 'HPE_INVALID_CONSTANT');
    }
    checkLineEnds(this.#text.slice(0, before + taken), Math.max(0, before - 1));
    if (end !== -1) this.#takeHead(parseResponseHead(this.#text.slice(0, end)));
    return taken;
  }

  #takeHead(head: ResponseHead): void {
    this.#text = '';
    if (head.status >= 200) {
      this.#answer = head;
      this.#framing = framingOf(head, this.#method);
      if (this.#framing.isComplete) this.body.end();
      this.#head.resolve(head);
      return;
    }
    this.#interim += 1;
    // Nobody asked for another protocol.
    if (head.status === 101 || this.#interim > maxInterim)
      throw malformed('interim response', 'HPE_INVALID_STATUS');
  }
}

/** What of a piece may belong to a head: a body is no text, and whoever keeps a header's value would keep that text. */
function lengthOfHead(bytes: Buffer): number {
  const end = bytes.indexOf(headEnd);
  return end === -1 ? bytes.length : end + headEnd.length;
}
