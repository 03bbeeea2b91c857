import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { AddressGuard, type UnknownRegistries } from '#src/net/dial/address-guard.ts';
import { RegistryError } from '#src/oci/error.ts';

const registry = new URL('https://registry.example.com:5000/v2/');
const elsewhere = new URL('https://cdn.example.org/blob');
const open = '203.0.114.7';
const inner = '10.1.2.3';
const loopback = '127.0.0.1';
const metadata = '169.254.169.254';

function guardOf(
  configured: boolean,
  unknownRegistries: UnknownRegistries = 'public',
  onRefusal?: (url: URL, address: string) => void,
): AddressGuard {
  return new AddressGuard({
    onRefusal,
    host: 'registry.example.com:5000',
    origin: new URL(registry.origin),
    configured,
    unknownRegistries,
  });
}

function refuses(guard: AddressGuard, url: URL, address: string, message = /not public/): void {
  assert.throws(
    () => guard.allowed(url, [address]),
    (error) =>
      error instanceof RegistryError &&
      error.code === 'DENIED' &&
      error.status === 403 &&
      message.test(error.message),
  );
}

function allows(guard: AddressGuard, url: URL, address: string): void {
  assert.deepEqual(guard.allowed(url, [address]), [address]);
}

describe('a registry that is not configured', () => {
  it('may be at public addresses, and at no others', () => {
    const guard = guardOf(false);
    allows(guard, registry, open);
    for (const address of [inner, loopback, metadata, '::1', '::ffff:10.1.2.3']) {
      refuses(guard, registry, address);
    }
  });

  it('is refused without a word of the address that its name has, which is told to whoever keeps the log', () => {
    for (const url of [registry, elsewhere]) {
      const told: unknown[] = [];
      const guard = guardOf(false, 'public', (...refused) => told.push(refused));
      assert.throws(
        () => guard.allowed(url, [inner, loopback]),
        (error: Error) => !inspect(error, { depth: 9 }).includes(inner) && !error.message.includes(loopback),
      );
      assert.deepEqual(told, [[url, inner]]);
    }
  });

  it('is refused with the lines of configuration that allow it', () => {
    const lines = 'registries:\n  - name: registry.example.com:5000\n    scheme: https';
    refuses(guardOf(false), registry, inner, new RegExp(lines));
  });

  it('is refused wherever it is where unknown registries are none', () => {
    const guard = guardOf(false, 'none');
    assert.throws(() => guard.checkUrl(registry), { code: 'DENIED', message: /registries:\n {2}- name/ });
    guardOf(true, 'none').checkUrl(registry);
  });

  it('may be at private addresses where unknown registries are any, but never at a metadata service', () => {
    const guard = guardOf(false, 'any');
    allows(guard, registry, inner);
    allows(guard, registry, loopback);
    refuses(guard, registry, metadata);
  });

  it('is connected to at those of its addresses that are public', () => {
    assert.deepEqual(guardOf(false).allowed(registry, [inner, open, loopback, metadata]), [open]);
  });

  it('that spells out its address is refused before any connection', () => {
    const origin = new URL('http://0x7f.1:5000');
    const guard = new AddressGuard({
      host: '0x7f.1:5000',
      origin,
      configured: false,
      unknownRegistries: 'public',
    });
    assert.throws(() => guard.checkUrl(origin), { code: 'DENIED' });
  });
});

describe('a registry that is configured', () => {
  it('may be anywhere', () => {
    for (const address of [open, inner, loopback, metadata]) allows(guardOf(true), registry, address);
  });

  it('is so by exact host, port and scheme', () => {
    for (const url of [
      'https://registry.example.com/',
      'https://registry.example.com:5001/',
      'http://registry.example.com:5000/',
      'https://other.example.com:5000/',
    ]) {
      refuses(guardOf(true), new URL(url), inner);
    }
  });
});

describe('a redirect or a token realm', () => {
  it('to a public address is followed from anywhere', () => {
    for (const guard of [guardOf(false), guardOf(true), guardOf(false, 'any')]) {
      allows(guard, elsewhere, open);
      guard.connected(registry, inner);
      allows(guard, elsewhere, open);
    }
  });

  it('to a private or loopback address is followed only from a configured registry on such an address', () => {
    const guard = guardOf(true);
    refuses(guard, elsewhere, inner);
    guard.connected(registry, open);
    refuses(guard, elsewhere, inner);
    guard.connected(registry, loopback);
    allows(guard, elsewhere, inner);
    allows(guard, elsewhere, loopback);
    const stranger = guardOf(false);
    stranger.connected(registry, inner);
    refuses(stranger, elsewhere, inner);
  });

  it('to a link-local or metadata address is followed never', () => {
    const guard = guardOf(true);
    guard.connected(registry, inner);
    for (const address of [metadata, 'fe80::1', '168.63.129.16', '100.100.100.200', 'fd00:ec2::254']) {
      refuses(guard, elsewhere, address);
    }
  });

  it('that spells out its address is checked before any connection', () => {
    assert.throws(() => guardOf(true).checkUrl(new URL('http://[::ffff:a9fe:a9fe]/latest')), {
      code: 'DENIED',
      message: /refers to http:\/\/\[::ffff:a9fe:a9fe\], whose address/,
    });
  });

  it('counts as the registry’s at which the chain began: where a hop is does not matter', () => {
    const guard = guardOf(true);
    guard.connected(registry, open);
    guard.connected(elsewhere, inner);
    refuses(guard, new URL('https://third.example.net/'), inner);
  });
});

describe('an address that a URL spells', () => {
  it('is judged each time that it is asked, by what is known then', () => {
    const guard = guardOf(true);
    const within = new URL(`https://${inner}/blob`);
    const asked = (): void => guard.checkUrl(within);
    for (let time = 0; time < 2; time += 1) assert.throws(asked, { code: 'DENIED' });
    guard.connected(registry, inner);
    asked();
    guard.connected(registry, open);
    assert.throws(asked, { code: 'DENIED' });
  });
});
