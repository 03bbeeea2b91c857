import ipaddr from 'ipaddr.js';

/** Whom an address is counted for: whoever has one IPv6 address has 2⁶⁴ of them. What is no address is itself. */
export function networkOf(address: string): string {
  const literal = withoutZone(address);
  if (!ipaddr.isValid(literal)) return address;
  const parsed = ipaddr.process(literal);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const [a, b, c, d] = parsed.toNormalizedString().split(':');
  return `${a}:${b}:${c}:${d}::/64`;
}

/** `fe80::1%eth0` without its interface (RFC 4007 section 11). */
function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone === -1 ? address : address.slice(0, zone);
}
