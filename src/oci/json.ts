import { Fault } from './fault.ts';

/** Manifests and lists nest some five levels; megabytes of nothing but brackets hold `JSON.parse` up for seconds. */
const maxDepth = 100;
/**
 * Values that a text may hold. The largest manifest that is read has room for half as many in descriptors with a digest; four million
 * empty ones would take some hundred megabytes.
 */
const maxValues = 250_000;

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const bracket = 0x5b;
const brace = 0x7b;
/** `]` and `}` stand two behind `[` and `{`. */
const toClosing = 2;

/** A text that holds a list, as far as it is read. */
export interface CutJson {
  readonly json: unknown;
  /** Had a list more entries than are read? What is behind them, list or not, was not looked at. */
  readonly isCut: boolean;
}

/**
 * Others' JSON (RFC 8259), `what` in words for the message. Throws a {@link Fault}, without what the parser says, since that quotes the
 * text.
 */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  return parseCutJson(bytes, what, Number.POSITIVE_INFINITY).json;
}

/** As {@link parseJson}; ends behind so many entries of a list that is a member of the whole. */
export function parseCutJson(bytes: Uint8Array, what: string, maxEntries: number): CutJson {
  const cutAt = judge(bytes, what, maxEntries);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, cutAt));
    return { json: JSON.parse(cutAt === undefined ? text : `${text}]}`), isCut: cutAt !== undefined };
  } catch {
    throw new Fault(`${what} that is not JSON`);
  }
}

/**
 * Looks at the bytes before they are parsed. Returns where a list, a member of the whole, has its last entry that is read; undefined:
 * none has so many. Throws a {@link Fault} for what would take too much time or memory.
 */
function judge(bytes: Uint8Array, what: string, maxEntries: number): number | undefined {
  let [depth, values, commas] = [0, 0, 0];
  let [isInObject, isInList] = [false, false];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === quote) at = endOfText(bytes, at + 1);
    else if (byte === comma) {
      values += 1;
      if (depth === 2 && isInList) commas += 1;
      if (commas === maxEntries) return at;
    } else if (byte === bracket || byte === brace) {
      depth += 1;
      values += 1;
      if (depth === 1) isInObject = byte === brace;
      if (depth === 2) {
        isInList = isInObject && byte === bracket;
        commas = 0;
      }
    } else if (byte === bracket + toClosing || byte === brace + toClosing) depth -= 1;
    if (depth > maxDepth) throw new Fault(`${what} that nests too deep`);
    if (values > maxValues) throw new Fault(`${what} of more than ${maxValues} values`);
  }
  return undefined;
}

/** Where the text that begins here has its closing quote. */
function endOfText(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
