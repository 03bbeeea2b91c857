import { connectionError } from '#src/net/connection-error.ts';

/** What the wires throw for a system’s word. */
export function wireError(url: URL, code: string): Error {
  return connectionError(url, Object.assign(new Error(code), { code }));
}

/** What breaks a body in its middle. */
export function bodyError(code: string): Error {
  return Object.assign(new Error(code), { code });
}
