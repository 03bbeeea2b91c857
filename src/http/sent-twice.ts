import { RegistryError } from '../oci/error.ts';

/** Of two of a kind whoever stands before us may have gone by the other one than we (RFC 9112 section 3.2, RFC 9110 section 5.3). */
const once: readonly string[] = ['Host', 'Authorization'];

/** Throws UNSUPPORTED (400) for a request that says twice where it goes, or who sends it. `rawHeaders`: names and values in turn. */
export function refuseTwice(rawHeaders: readonly string[]): void {
  for (const header of once)
    if (countOf(header, rawHeaders) > 1)
      throw new RegistryError('UNSUPPORTED', `there is more than one ${header} header`, { status: 400 });
}

function countOf(header: string, rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === header.length && name.toLowerCase() === header.toLowerCase()) count += 1;
  }
  return count;
}
