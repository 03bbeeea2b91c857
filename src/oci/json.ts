import { RegistryError } from './error.ts';

/** Manifests and lists nest some five levels; megabytes of nothing but brackets hold `JSON.parse` up for seconds. */
const maxDepth = 100;

const quote = 0x22;
const backslash = 0x5c;
const bracket = 0x5b;
const brace = 0x7b;
/** `]` and `}` stand two behind `[` and `{`. */
const toClosing = 2;

/** What upstream sent as JSON (RFC 8259), `what` in words for the message. Throws UNAVAILABLE (502). */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  if (isTooDeep(bytes)) throw new RegistryError('UNAVAILABLE', `upstream sent ${what} that nests too deep`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Without the cause, which quotes what was sent.
    throw new RegistryError('UNAVAILABLE', `upstream sent ${what} that is not JSON`);
  }
}

function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === quote) at = endOfText(bytes, at + 1);
    else if (byte === bracket || byte === brace) depth += 1;
    else if (byte === bracket + toClosing || byte === brace + toClosing) depth -= 1;
    if (depth > maxDepth) return true;
  }
  return false;
}

/** Where the text that begins here has its closing quote. */
function endOfText(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at;
}
