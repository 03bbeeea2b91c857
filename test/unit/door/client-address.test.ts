import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkOf } from '#src/base/network-of.ts';
import { AddressBlocks } from '#src/door/address-blocks.ts';
import { clientAddress } from '#src/door/client-address.ts';

const trusted = new AddressBlocks(['10.0.0.0/8', 'fd00::/8']);

describe('the address of a client', () => {
  const cases: [what: string, peer: string | undefined, header: string | undefined, address?: string][] = [
    ['of no proxy', '192.0.2.1', undefined, '192.0.2.1'],
    ['who writes the header himself', '192.0.2.1', '10.0.0.9', '192.0.2.1'],
    ['of a proxy that says nothing', '10.0.0.1', undefined, '10.0.0.1'],
    ['behind a proxy', '10.0.0.1', '192.0.2.1', '192.0.2.1'],
    ['behind a proxy that is reached as IPv6', '::ffff:10.0.0.1', '192.0.2.1', '192.0.2.1'],
    ['behind two', '10.0.0.1', '192.0.2.1, 10.0.0.2', '192.0.2.1'],
    ['who wrote what stands to the left', '10.0.0.1', '10.9.9.9, 198.51.100.7, 192.0.2.1', '192.0.2.1'],
    ['who wrote it all the way', '10.0.0.1', '10.9.9.9,192.0.2.1, 10.0.0.2', '192.0.2.1'],
    ['inside', '10.0.0.1', '10.0.0.7', '10.0.0.7'],
    ['with its port', '10.0.0.1', '192.0.2.1:4711', '192.0.2.1'],
    ['in brackets', 'fd00::1', '[2001:db8::1]:4711', '2001:db8::1'],
    ['that is none', '10.0.0.1', 'unknown', '10.0.0.1'],
    ['that is written as a number', '10.0.0.1', '2130706433', '10.0.0.1'],
    ['behind what is none', '10.0.0.1', '192.0.2.1, _hidden, 10.0.0.2', '10.0.0.2'],
    ['that is empty', '10.0.0.1', '', '10.0.0.1'],
    ['that is gone', undefined, '192.0.2.1'],
  ];
  for (const [what, peer, header, address] of cases) {
    it(`is found: ${what}`, () => assert.equal(clientAddress(peer, header, trusted), address));
  }

  it('is looked for within bounds, however long the header is', () => {
    const hops = Array.from({ length: 5000 }, () => '10.0.0.2');
    assert.equal(clientAddress('10.0.0.1', ['192.0.2.1', ...hops].join(','), trusted), '10.0.0.2');
  });
});

describe('a block of addresses', () => {
  it('has its own family alone, however its addresses are written', () => {
    const has = (block: string, address: string): boolean => new AddressBlocks([block]).includes(address);
    assert.equal(has('10.1.2.3', '10.1.2.3'), true);
    assert.equal(has('10.1.2.3', '10.1.2.4'), false);
    assert.equal(has('0.0.0.0/0', '2001:db8::1'), false);
    assert.equal(has('0.0.0.0/0', '::ffff:192.0.2.1'), true);
    assert.equal(has('::ffff:10.0.0.0/104', '10.9.9.9'), true);
    assert.equal(has('::/0', '10.9.9.9'), false);
    assert.equal(has('fe80::/10', 'fe80::1%eth0'), true);
    assert.equal(has('2001:db8::/32', '2001:db9::'), false);
    assert.equal(has('10.0.0.0/8', 'no address'), false);
  });

  it('of one customer is one network: an IPv4 address, 2⁶⁴ IPv6 addresses', () => {
    assert.equal(networkOf('::ffff:192.0.2.1'), networkOf('192.0.2.1'));
    assert.equal(networkOf('2001:db8::1'), networkOf('2001:db8:0:0:ffff::2'));
    assert.notEqual(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'));
    assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
    assert.equal(networkOf(''), '');
  });
});
