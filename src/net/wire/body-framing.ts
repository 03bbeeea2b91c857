import { checkLineEnds, malformed, parseFields, type ResponseHead } from './response-head.ts';

/** Where a response's body ends and which of its bytes are content (RFC 9112 section 6). */
export interface BodyFraming {
  /** Has the body ended? Nothing behind its end belongs to it. */
  readonly isComplete: boolean;
  /** Does the body end with the connection? */
  readonly endsWithConnection: boolean;
  /** Is there a length, or a last chunk, that shows where it ends? */
  readonly showsItsEnd: boolean;
  /** Reads from byte `at` on, which must be there. Throws HTTPParserError. */
  read(bytes: Buffer, at: number): Piece;
}

/** Bytes up to `end` (exclusive) that are content, or framing. */
interface Piece {
  readonly end: number;
  readonly isContent: boolean;
}

/** The framing of what answers this method. Throws HTTPParserError for one that two recipients may read differently. */
export function framingOf({ status, minorVersion, headers }: ResponseHead, method: string): BodyFraming {
  const encoding = headers['transfer-encoding'];
  // Of several codings, and of one by a server that cannot know it, nobody can say what others make.
  if (encoding !== undefined && (encoding.toLowerCase() !== 'chunked' || minorVersion === 0)) {
    throw malformed('Transfer-Encoding', 'HPE_INVALID_TRANSFER_ENCODING');
  }
  if (method === 'HEAD' || status === 204 || status === 304) return noBody;
  if (encoding !== undefined) return new ChunkedFraming();
  const length = headers['content-length'];
  return length === undefined ? new CloseFraming() : new LengthFraming(Number(length));
}

/** Whatever its fields announce (RFC 9112 section 6.3). */
const noBody: BodyFraming = {
  isComplete: true,
  endsWithConnection: false,
  showsItsEnd: false,
  read: (_, at) => ({ end: at, isContent: false }),
};

class LengthFraming implements BodyFraming {
  readonly endsWithConnection = false;
  readonly showsItsEnd = true;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get isComplete(): boolean {
    return this.#left === 0;
  }

  read(bytes: Buffer, at: number): Piece {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    return { end, isContent: true };
  }
}

class CloseFraming implements BodyFraming {
  readonly isComplete = false;
  readonly endsWithConnection = true;
  readonly showsItsEnd = false;

  read(bytes: Buffer): Piece {
    return { end: bytes.length, isContent: true };
  }
}

/** A chunk's size with its extensions, or one trailer field. Bytes. */
const maxLine = 1024;
const maxTrailers = 8 * 1024;
const sizeLine = /^([0-9a-f]{1,12})(?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?$/i;
const lineFeed = 10;

/** RFC 9112 section 7.1: all that is not content is lines. Extensions are ignored, trailers are checked and ignored. */
class ChunkedFraming implements BodyFraming {
  readonly endsWithConnection = false;
  readonly showsItsEnd = true;
  #expects: 'size' | 'content' | 'contentEnd' | 'trailer' | 'nothing' = 'size';
  #left = 0;
  #line = '';
  #trailers = 0;

  get isComplete(): boolean {
    return this.#expects === 'nothing';
  }

  read(bytes: Buffer, at: number): Piece {
    return this.#expects === 'content' ? this.#content(bytes, at) : this.#framing(bytes, at);
  }

  #content(bytes: Buffer, at: number): Piece {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left === 0) this.#expects = 'contentEnd';
    return { end, isContent: true };
  }

  #framing(bytes: Buffer, at: number): Piece {
    const within = bytes.subarray(at, at + maxLine + 2);
    const length = within.indexOf(lineFeed) + 1 || within.length;
    this.#line += within.toString('latin1', 0, length);
    if (this.#line.length > maxLine)
      throw malformed('a line of a chunk is too long', 'HPE_INVALID_CHUNK_SIZE');
    checkLineEnds(this.#line);
    if (this.#line.endsWith('\n')) {
      this.#take(this.#line.slice(0, -2));
      this.#line = '';
    }
    return { end: at + length, isContent: false };
  }

  #take(line: string): void {
    if (this.#expects === 'size') this.#takeSize(line);
    else if (this.#expects === 'trailer') this.#takeTrailer(line);
    else if (line === '') this.#expects = 'size';
    else throw malformed('a chunk is longer than its size', 'HPE_STRICT');
  }

  #takeSize(line: string): void {
    const size = sizeLine.exec(line)?.[1];
    if (size === undefined) throw malformed('chunk size', 'HPE_INVALID_CHUNK_SIZE');
    this.#left = Number.parseInt(size, 16);
    this.#expects = this.#left === 0 ? 'trailer' : 'content';
  }

  #takeTrailer(line: string): void {
    this.#trailers += line.length;
    if (this.#trailers > maxTrailers) throw malformed('too many trailers', 'HPE_INVALID_HEADER_TOKEN');
    if (line === '') this.#expects = 'nothing';
    else parseFields([line]);
  }
}
