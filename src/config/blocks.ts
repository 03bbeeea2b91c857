import { BlockList, isIPv6 } from 'node:net';

/** Of IPv4 and of IPv6. */
const allBits = { ipv4: 32, ipv6: 128 } as const;

/** Blocks of addresses as `addressBlock` lets them pass: with bits, or one address without. */
function partsOf(block: string) {
  const [address = '', digits] = block.split('/');
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  return { address, family, bits: digits === undefined ? allBits[family] : Number(digits) } as const;
}

export function isOneAddress(block: string): boolean {
  const { family, bits } = partsOf(block);
  return bits === allBits[family];
}

/** Is all of a block in another of the same family? */
export function isBlockIn(inner: string, outer: string): boolean {
  const [its, whole] = [partsOf(inner), partsOf(outer)];
  if (its.family !== whole.family || its.bits < whole.bits) return false;
  const list = new BlockList();
  list.addSubnet(whole.address, whole.bits, whole.family);
  return list.check(its.address, its.family);
}
