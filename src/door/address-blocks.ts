import ipaddr, { type IPv4, type IPv6 } from 'ipaddr.js';

/** Bits of `::ffff:0:0/96`, in front of an IPv4 address that is written as IPv6 (RFC 4291 section 2.5.5.2). */
const mappedBits = 96;

/** Blocks of addresses, or single ones, as the configuration has them. */
export class AddressBlocks {
  readonly #blocks: readonly (readonly [address: IPv4 | IPv6, bits: number])[];

  constructor(texts: readonly string[]) {
    this.#blocks = texts.map(blockIn);
  }

  /** Also of an IPv4 address that is written as IPv6. What is no address is in none. */
  includes(text: string | undefined): boolean {
    const address = text === undefined ? undefined : addressIn(text);
    return (
      address !== undefined &&
      this.#blocks.some(([block, bits]) => address.kind() === block.kind() && address.match(block, bits))
    );
  }
}

/** An address as what it is, without a zone (`fe80::1%eth0`). Undefined: it is none. */
export function addressIn(text: string): IPv4 | IPv6 | undefined {
  const literal = text.replace(/%.*$/, '');
  // It takes 2130706433 and 0x7f.1 too.
  if (!literal.includes(':') && !/^\d{1,3}(?:\.\d{1,3}){3}$/.test(literal)) return undefined;
  return ipaddr.isValid(literal) ? ipaddr.process(literal) : undefined;
}

/** Throws for what the configuration does not let pass. */
function blockIn(text: string): [IPv4 | IPv6, number] {
  const [literal = '', digits] = text.split('/');
  const written = ipaddr.parse(literal);
  const address = ipaddr.process(literal);
  const bits = digits === undefined ? undefined : Number(digits);
  if (written.kind() === address.kind()) return [address, bits ?? (address.kind() === 'ipv4' ? 32 : 128)];
  // Written as IPv6: a longer block has more than IPv4 in it.
  if (bits !== undefined && bits < mappedBits) return [written, bits];
  return [address, (bits ?? 128) - mappedBits];
}
