import { Fault } from '../oci/fault.ts';

/** A member of the object that a text is, or an entry of a list that is one. */
export interface JsonMember {
  readonly key: string;
  readonly value: unknown;
  readonly isEntry: boolean;
}

/** Of one value. Bytes. */
const maxValueBytes = 1024 * 1024;
const maxDepth = 100;

const [quote, comma, colon, backslash] = [0x22, 0x2c, 0x3a, 0x5c];
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * The members of an object in JSON (RFC 8259) as its bytes come, lists an entry at a time: for what has more entries than memory should hold. `what` in
 * words for the message. Throws a {@link Fault} for what is no such object, or ends within it.
 */
export async function* jsonMembers(
  chunks: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<JsonMember> {
  const scanner = new MemberScanner(what);
  for await (const chunk of chunks) yield* scanner.push(chunk);
  scanner.end();
}

class MemberScanner {
  readonly #what: string;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #key = '';
  #expects: 'object' | 'key' | 'colon' | 'value' | 'entry' | 'nothing' = 'object';

  constructor(what: string) {
    this.#what = what;
  }

  *push(chunk: Uint8Array): Generator<JsonMember> {
    this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), chunk]);
    this.#at = 0;
    for (;;) {
      const step = this.#step();
      if (step === undefined) break;
      if (step !== 'on') yield step;
    }
    if (this.#bytes.length - this.#at > maxValueBytes)
      throw new Fault(`${this.#what} with a value of more than ${maxValueBytes} bytes`);
  }

  end(): void {
    if (this.#expects !== 'nothing') throw new Fault(`${this.#what} that breaks off, or is not JSON`);
  }

  /** Undefined: there is nothing more to be told of what is here. */
  #step(): JsonMember | 'on' | undefined {
    const byte = this.#nextByte();
    if (byte === undefined || this.#expects === 'nothing') return undefined;
    if (this.#expects === 'object') return this.#take(byte, openObject, 'key');
    if (this.#expects === 'colon') return this.#take(byte, colon, 'value');
    if (this.#expects === 'key' && byte === closeObject) return this.#take(byte, closeObject, 'nothing');
    if (this.#expects === 'value' && byte === openList) return this.#take(byte, openList, 'entry');
    if (this.#expects === 'entry' && byte === closeList) return this.#take(byte, closeList, 'key');
    return this.#value();
  }

  #take(byte: number, wanted: number, next: 'key' | 'value' | 'entry' | 'nothing'): 'on' {
    if (byte !== wanted) throw this.#notJson();
    this.#at += 1;
    this.#expects = next;
    return 'on';
  }

  #value(): JsonMember | 'on' | undefined {
    const end = endOfValue(this.#bytes, this.#at);
    if (end === undefined) return undefined;
    const value = this.#parsed(this.#bytes.subarray(this.#at, end));
    this.#at = end;
    const isEntry = this.#expects === 'entry';
    if (this.#expects !== 'key') {
      if (!isEntry) this.#expects = 'key';
      return { key: this.#key, value, isEntry };
    }
    if (typeof value !== 'string') throw this.#notJson();
    this.#key = value;
    this.#expects = 'colon';
    return 'on';
  }

  #parsed(bytes: Uint8Array): unknown {
    try {
      return JSON.parse(this.#decoder.decode(bytes));
    } catch {
      throw this.#notJson();
    }
  }

  /** Behind blanks, a byte order mark, and the commas between members and entries. */
  #nextByte(): number | undefined {
    for (; this.#at < this.#bytes.length; this.#at += 1) {
      const byte = this.#bytes[this.#at] ?? 0;
      const isPassed = isBlank(byte) || (byte === comma && this.#expects !== 'object');
      const isMark = this.#expects === 'object' && (byte === 0xef || byte === 0xbb || byte === 0xbf);
      if (!isPassed && !isMark) return byte;
    }
    return undefined;
  }

  #notJson(): Fault {
    return new Fault(`${this.#what} that is not JSON`);
  }
}

/** Behind its last byte; undefined: it does not end here. Throws a {@link Fault} where it nests too deep. */
function endOfValue(bytes: Uint8Array, start: number): number | undefined {
  const first = bytes[start] ?? 0;
  if (first === quote) return endOfText(bytes, start + 1);
  if (first !== openList && first !== openObject) return endOfWord(bytes, start);
  let depth = 0;
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === quote) {
      const end = endOfText(bytes, at + 1);
      if (end === undefined) return undefined;
      at = end - 1;
    } else if (byte === openList || byte === openObject) depth += 1;
    else if (byte === closeList || byte === closeObject) depth -= 1;
    if (depth > maxDepth) throw new Fault('JSON that nests too deep');
    if (depth === 0) return at + 1;
  }
  return undefined;
}

function endOfText(bytes: Uint8Array, start: number): number | undefined {
  for (let at = start; at < bytes.length; at += 1) {
    if (bytes[at] === quote) return at + 1;
    if (bytes[at] === backslash) at += 1;
  }
  return undefined;
}

/** A number, `true`, `false` or `null`. */
function endOfWord(bytes: Uint8Array, start: number): number | undefined {
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (isBlank(byte) || byte === comma || byte === closeList || byte === closeObject)
      return at === start ? at + 1 : at;
  }
  return undefined;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
