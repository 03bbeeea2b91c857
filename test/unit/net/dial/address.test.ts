import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type AddressClass, classifyAddress, knownAddress, literalAddress } from '#src/net/dial/address.ts';

const classes: Readonly<Record<AddressClass, readonly string[]>> = {
  public: [
    '8.8.8.8',
    '172.15.255.255',
    '100.63.255.255',
    '2600:1f18::1',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
    '2002:808:808::1',
  ],
  private: [
    '127.0.0.1',
    '127.255.255.254',
    '0x7f.1',
    '2130706433',
    '0177.0.0.1',
    '127.1',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '64:ff9b::10.0.0.1',
    '64:ff9b:1::a00:1',
    '2002:7f00:1::1',
    '2002:a00:1::',
    '2001::1',
    '2001:db8::1',
    'fc00::1',
    'fdff::1',
    'fec0::1',
    'ff02::1',
    'not an address',
    '8.8.8.8\0',
    '8.8.8.8 ',
    '8.8.8.8\n',
    '8.8.8.8.',
    '08.8.8.8',
    '::ffff:8.8.8.8.',
    '',
  ],
  metadata: [
    '169.254.169.254',
    '169.254.0.1',
    '0xa9fea9fe',
    '2852039166',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    'fe80::1',
    'fe80::1%eth0',
    '168.63.129.16',
    '::ffff:168.63.129.16',
    '100.100.100.200',
    'fd00:ec2::254',
    'FD00:0EC2:0::254',
    'fd20:ce::254',
  ],
};

describe('an address', () => {
  for (const [want, addresses] of Object.entries(classes)) {
    for (const address of addresses) {
      it(`such as ${JSON.stringify(address)} is ${want}`, () => assert.equal(classifyAddress(address), want));
    }
  }

  it('is the same in its mapped and translated forms', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const want = classifyAddress(address);
        assert.equal(classifyAddress(`::ffff:${address}`), want);
        assert.equal(classifyAddress(`64:ff9b::${address}`), want);
      }),
    );
  });

  it('never makes the classifier throw', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.ipV6()), (text) => Boolean(classifyAddress(text))));
  });
});

describe('a URL’s host', () => {
  it('is an address in any notation that connects', () => {
    for (const [host, want] of [
      ['[::1]', '::1'],
      ['127.0.0.1', '127.0.0.1'],
      ['0x7f.1', '0x7f.1'],
      ['registry.example.com', undefined],
      ['localhost', undefined],
    ] as const) {
      assert.equal(literalAddress(host), want);
    }
    for (const host of [
      '2130706433',
      '127.1',
      '0x7f.1',
      '0177.0.0.1',
      '127.0.0.1.',
      '127。0。0。1',
      '１２７.0.0.1',
      '%31%32%37.0.0.1',
    ])
      assert.equal(literalAddress(new URL(`http://${host}/`).hostname), '127.0.0.1', host);
    for (const host of [
      'localhost.',
      'LOCALHOST',
      'a.localhost.',
      'ⓛocalhost',
      'localhost%2e',
      'localhost。',
    ])
      assert.equal(knownAddress(new URL(`http://${host}/`).hostname), '127.0.0.1', host);
    for (const host of [
      'a%00.example',
      'a\0.example',
      '127.0.0.1%00',
      '[fe80::1%25eth0]',
      '1.2.3.4.5',
      '256.0.0.1',
    ])
      assert.ok(!URL.canParse(`http://${host}/`), host);
    assert.equal(literalAddress(new URL('http://[::ffff:127.0.0.1]/').hostname), '::ffff:7f00:1');
  });
});
