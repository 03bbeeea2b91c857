import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Is it an address by which nobody but this machine comes (RFC 1122 section 3.2.1.3, RFC 4291)? Also where it is written as IPv6 (`::ffff:127.0.0.1`). A name is none. */
export function isLoopback(address = ''): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** The same of a host, as URLs have it (`[::1]`) and as configurations do: `localhost`, too. Other names are looked up, and may be anywhere. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || isLoopback(host.replace(/^\[(.*)\]$/, '$1'));
}
