import { type AddressBlocks, addressIn } from './address-blocks.ts';

/** So many proxies may stand in a row. */
const maxHops = 32;

/**
 * Where a request comes from: by the connection, or by what trusted proxies say of it (X-Forwarded-For), read from the right: each says who connected to it,
 * and only what a trusted one has written is believed. What the client wrote himself stands further left. What is no address is not
 * believed either: then it is the proxy's.
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  trusted: AddressBlocks,
): string | undefined {
  if (forwardedFor === undefined || !trusted.includes(peer)) return peer;
  let address = peer;
  for (const hop of forwardedFor.split(',').slice(-maxHops).toReversed()) {
    const before = withoutPort(hop.trim());
    if (addressIn(before) === undefined) break;
    address = before;
    if (!trusted.includes(before)) break;
  }
  return address;
}

/** `192.0.2.1:80`, `[2001:db8::1]:80`, `[2001:db8::1]`: some proxies write the port too. */
function withoutPort(hop: string): string {
  return /^\[([^\]]*)\](?::\d+)?$/.exec(hop)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(hop)?.[1] ?? hop;
}
