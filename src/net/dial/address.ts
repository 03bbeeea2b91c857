import ipaddr from 'ipaddr.js';

/**
 * - `public`: globally reachable unicast.
 * - `private`: loopback, RFC 1918, 100.64.0.0/10, fc00::/7, and whatever else the registry of special-purpose
 *   addresses (RFC 6890) keeps off the Internet.
 * - `metadata`: link-local addresses and those at which a cloud answers its virtual machines: never a registry.
 */
export type AddressClass = 'public' | 'private' | 'metadata';

/** Metadata and platform services outside the link-local ranges: Azure, Alibaba, AWS and Google over IPv6. */
const platformServices = new Set(['168.63.129.16', '100.100.100.200', 'fd00:ec2::254', 'fd20:ce::254']);

/** As sockets take it: a URL has an IPv6 address in brackets. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** An IP address in URL host or socket form, in any notation that connects; undefined for a name. */
export function literalAddress(hostname: string): string | undefined {
  const text = withoutBrackets(hostname);
  return ipaddr.isValid(text) ? text : undefined;
}

/** Where a host is without asking anyone: an address, or a name that means the same everywhere (RFC 6761 section 6.3). */
export function knownAddress(hostname: string): string | undefined {
  const name = hostname.replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost')) return '127.0.0.1';
  return name === 'metadata.google.internal' ? '169.254.169.254' : literalAddress(hostname);
}

/** What kind of address this is, seen through IPv4-mapped, NAT64 and 6to4 addresses. Unreadable text is `private`. */
export function classifyAddress(text: string): AddressClass {
  if (!ipaddr.isValid(text)) return 'private';
  const address = unwrapped(text);
  if (address.range() === 'linkLocal' || platformServices.has(address.toString())) return 'metadata';
  return address.range() === 'unicast' && isGlobal(address) ? 'public' : 'private';
}

/** IPv6 unicast is global in 2000::/3 alone (RFC 4291); `::127.0.0.1` passes for unicast otherwise. */
function isGlobal(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return address.kind() === 'ipv4' || (address.toByteArray()[0] ?? 0) >> 5 === 1;
}

/** The IPv4 address inside an IPv6 one: RFC 4291 (mapped), RFC 6052 (`64:ff9b::/96`), RFC 3056 (`2002::/16`). */
function unwrapped(text: string): ipaddr.IPv4 | ipaddr.IPv6 {
  const address = ipaddr.process(text);
  const bytes = address.toByteArray();
  if (address.kind() === 'ipv4') return address;
  if (address.range() === '6to4') return new ipaddr.IPv4(bytes.slice(2, 6));
  const nat64 = ipaddr.IPv6.parse('64:ff9b::');
  return address.match(nat64, 96) ? new ipaddr.IPv4(bytes.slice(12)) : address;
}
