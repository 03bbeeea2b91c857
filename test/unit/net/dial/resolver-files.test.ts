import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressesIn, namesToAsk, readResolverFiles } from '#src/net/dial/resolver-files.ts';

describe('the hosts file', () => {
  const hosts = [
    '127.0.0.1\tlocalhost',
    '# 10.0.0.1 commented.example',
    '10.0.0.5  Registry.Example  mirror.example # the old one',
    '::1 localhost ip6-localhost',
    'fe80::1%eth0 link.example',
    'nonsense registry.example',
    '10.0.0.6',
    '10.0.0.7 registry.example.',
  ].join('\n');

  it('gives all addresses of a name, whatever the case and a dot at its end', () => {
    const found = (name: string) => addressesIn(hosts, name).map(({ address }) => address);
    assert.deepEqual(found('registry.example'), ['10.0.0.5', '10.0.0.7']);
    assert.deepEqual(found('MIRROR.example.'), ['10.0.0.5']);
    assert.deepEqual(found('link.example'), ['fe80::1%eth0']);
    for (const name of ['commented.example', 'example', 'old', '10.0.0.6', ''])
      assert.deepEqual(found(name), []);
  });

  it('gives addresses of both versions', () => {
    assert.deepEqual(addressesIn(hosts, 'localhost'), [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ]);
  });
});

describe('the names that a name may have', () => {
  const pod =
    'nameserver 10.96.0.10\nsearch old.example\nsearch a.svc.local svc.local. # two\noptions timeout:1 ndots:5\n';

  it('are below the search domains first where it has few dots', () => {
    assert.deepEqual(namesToAsk('ghcr.io', pod), ['ghcr.io.a.svc.local', 'ghcr.io.svc.local', 'ghcr.io']);
    assert.deepEqual(namesToAsk('a.b.c.d.e.f', pod)[0], 'a.b.c.d.e.f');
  });

  it('are that one first where one dot is enough, as by default', () => {
    assert.deepEqual(namesToAsk('ghcr.io', 'search corp.example'), ['ghcr.io', 'ghcr.io.corp.example']);
    assert.deepEqual(namesToAsk('registry', 'search corp.example'), ['registry.corp.example', 'registry']);
    assert.deepEqual(namesToAsk('registry', 'domain corp.example'), ['registry.corp.example', 'registry']);
    assert.deepEqual(namesToAsk('ghcr.io', ''), ['ghcr.io']);
  });

  it('are that one alone where it ends with a dot', () => {
    assert.deepEqual(namesToAsk('ghcr.io.', pod), ['ghcr.io.']);
  });

  it('are few', () => {
    const search = `search ${Array.from({ length: 100 }, (_, at) => `d${at}.example`).join(' ')}\noptions ndots:999`;
    assert.equal(namesToAsk('ghcr.io', search).length, 11);
    assert.equal(namesToAsk(`${'a.'.repeat(16)}example`, search)[0], `${'a.'.repeat(16)}example`);
  });
});

it('the files of this machine are read', async () => {
  const { hosts, resolvConf } = await readResolverFiles();
  assert.equal(typeof hosts + typeof resolvConf, 'stringstring');
});
