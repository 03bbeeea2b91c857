import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type TargetSettings, targetOf } from '#src/http/target.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseRegistryHost } from '#src/oci/reference.ts';

const settings: TargetSettings = {
  aliases: new Map([
    ['hub', parseRegistryHost('docker.io')],
    ['up', parseRegistryHost('127.0.0.1:5000')],
  ]),
  defaultNs: parseRegistryHost('ghcr.io'),
};
const noDefault: TargetSettings = { ...settings, defaultNs: undefined };

function target(name: string, ns?: string, header?: string, by = settings): string {
  return targetOf(name, { header, ns }, by);
}

describe('the repository that a request means', () => {
  const rows: readonly [
    name: string,
    ns: string | undefined,
    header: string | undefined,
    repository: string,
  ][] = [
    ['docker.io/library/alpine', undefined, undefined, 'docker.io/library/alpine'],
    ['docker.io/alpine', undefined, undefined, 'docker.io/library/alpine'],
    ['index.docker.io/alpine', undefined, undefined, 'docker.io/library/alpine'],
    ['registry-1.docker.io/acme/x', undefined, undefined, 'docker.io/acme/x'],
    ['registry.hub.docker.com/library/x', undefined, undefined, 'docker.io/library/x'],
    ['Docker.IO/alpine', undefined, undefined, 'docker.io/library/alpine'],
    ['alpine', 'docker.io', undefined, 'docker.io/library/alpine'],
    ['library/alpine', 'docker.io', undefined, 'docker.io/library/alpine'],
    ['docker.io/library/alpine', 'docker.io', undefined, 'docker.io/library/alpine'],
    ['registry-1.docker.io/library/alpine', 'docker.io', undefined, 'docker.io/library/alpine'],
    ['quay.io/acme/x', 'docker.io', undefined, 'docker.io/quay.io/acme/x'],
    ['acme/x', 'quay.io', 'ghcr.io', 'ghcr.io/acme/x'],
    ['ghcr.io/acme/x', undefined, 'ghcr.io', 'ghcr.io/acme/x'],
    ['localhost/x', undefined, undefined, 'localhost/x'],
    ['localhost:5000/x/y', undefined, undefined, 'localhost:5000/x/y'],
    ['[::1]:5000/x', undefined, undefined, '[::1]:5000/x'],
    ['host:80/x', undefined, undefined, 'host:80/x'],
    ['foo.bar/baz', undefined, undefined, 'foo.bar/baz'],
    ['hub/alpine', undefined, undefined, 'docker.io/library/alpine'],
    ['hub/library/alpine', 'docker.io', undefined, 'docker.io/library/alpine'],
    ['hub/alpine', 'docker.io', undefined, 'docker.io/library/alpine'],
    ['hub/alpine', 'registry-1.docker.io', undefined, 'docker.io/library/alpine'],
    ['hub/alpine', undefined, 'docker.io', 'docker.io/library/alpine'],
    ['up/a/b', '127.0.0.1:5000', undefined, '127.0.0.1:5000/a/b'],
    ['hub/hub/x', 'docker.io', undefined, 'docker.io/hub/x'],
    ['docker.io/hub/x', 'docker.io', undefined, 'docker.io/hub/x'],
    ['hub', 'docker.io', undefined, 'docker.io/library/hub'],
    ['hub/x', 'quay.io', undefined, 'quay.io/hub/x'],
    ['up/x', undefined, 'ghcr.io', 'ghcr.io/up/x'],
    ['up/a/b/c/d/e/f', undefined, undefined, '127.0.0.1:5000/a/b/c/d/e/f'],
    ['acme/x', undefined, undefined, 'ghcr.io/acme/x'],
    ['alpine', undefined, undefined, 'ghcr.io/alpine'],
  ];
  for (const [name, ns, header, repository] of rows) {
    it(`of ${name}${ns ? ` with ns=${ns}` : ''}${header ? ` with X-Registry: ${header}` : ''} is ${repository}`, () => {
      assert.equal(target(name, ns, header), repository);
    });
  }

  it('is asked for where nothing says it', () => {
    assert.throws(() => target('alpine', undefined, undefined, noDefault), /which registry\? .*defaultNs/);
  });

  it('is asked for with the alias that was probably meant', () => {
    const nearestAlias = (segment: string) => (segment === 'hbu' ? 'hub' : undefined);
    const suggesting = { ...noDefault, nearestAlias };
    assert.throws(() => target('hbu/library/alpine', undefined, undefined, suggesting), /the alias "hub"\?/);
    assert.throws(() => target('other/alpine', undefined, undefined, suggesting), /^((?!alias "hub").)*$/);
    assert.throws(() => target('hbu', undefined, undefined, suggesting), /^((?!alias "hub").)*$/);
  });

  it('is refused with NAME_INVALID for a bare registry, an odd ns, and names outside the grammar', () => {
    const bad: [string, (string | undefined)?, string?][] = [
      ['docker.io'],
      ['hub'],
      ['alpine', 'http://docker.io'],
      ['alpine', 'docker.io/x'],
      ['alpine', 'a b'],
      ['alpine', '[::1'],
      ['alpine', '[1:2]'],
      ['alpine', '1.2.3.999'],
      ['alpine', 'foo.300'],
      ['alpine', 'host:99999'],
      ['alpine', 'host:0'],
      ['Alpine', 'docker.io'],
      ['docker.io/UPPER'],
      ['docker.io/a//b'],
      [`docker.io/${'a'.repeat(250)}`],
      ['alpine', undefined, `${'a'.repeat(256)}.io`],
    ];
    for (const [name, ns, header] of bad) {
      assert.throws(
        () => target(name, ns, header),
        (error) => error instanceof RegistryError && error.code === 'NAME_INVALID',
        name,
      );
    }
  });

  it('is found or refused with an error for clients, whatever is sent', () => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom('docker.io', 'hub', 'a/b', 'localhost', '[::1]:5000/x'),
    );
    fc.assert(
      fc.property(text, fc.option(text, { nil: undefined }), (name, ns) => {
        try {
          assert.match(target(name, ns), /^[^/]+\/.+$/);
        } catch (error) {
          assert.ok(error instanceof RegistryError && error.status === 400);
        }
      }),
    );
  });
});

describe('a name of what lives here', () => {
  const hosted: TargetSettings = {
    ...settings,
    livesHere: (name) => name === 'test' || name.startsWith('apps/'),
    own: parseRegistryHost('cache.example:8080'),
  };
  const named = (name: string, ns?: string): string => targetOf(name, { header: undefined, ns }, hosted);

  it('says nothing of a registry, and goes before the default', () => {
    assert.equal(named('test'), 'hosted.invalid/test');
    assert.equal(named('apps/a'), 'hosted.invalid/apps/a');
    assert.equal(named('other'), 'ghcr.io/other');
    assert.equal(named('apps/a', 'docker.io'), 'docker.io/apps/a');
    assert.equal(named('docker.io/apps/a'), 'docker.io/apps/a');
    assert.equal(named('hub/a'), 'docker.io/library/a');
  });

  it('may have this server in front of it, as a host or as a namespace, as every other may', () => {
    assert.equal(named('cache.example:8080/test'), 'hosted.invalid/test');
    assert.equal(named('test', 'Cache.Example:8080'), 'hosted.invalid/test');
    assert.equal(named('cache.example:8080/test', 'cache.example:8080'), 'hosted.invalid/test');
    assert.equal(named('cache.example:8080/docker.io/alpine'), 'docker.io/library/alpine');
    assert.equal(named('hub/alpine', 'cache.example:8080'), 'docker.io/library/alpine');
  });

  it('may have it there with its port however that is written', () => {
    const usual = { ...hosted, own: parseRegistryHost('cache.example') };
    for (const [said, own] of [
      ['cache.example:08080/test', hosted],
      ['cache.example:443/test', usual],
      ['Cache.example:0443/test', usual],
    ] as const) {
      assert.equal(targetOf(said, { header: undefined, ns: undefined }, own), 'hosted.invalid/test');
      const [ns = '', name = ''] = said.split('/');
      assert.equal(targetOf(name, { header: undefined, ns }, own), 'hosted.invalid/test');
    }
    assert.equal(named('cache.example:443/test'), 'cache.example:443/test', 'another port');
  });

  it('is not to be had by the host that it has inside', () => {
    for (const said of ['hosted.invalid/test', 'HOSTED.invalid/test', 'hosted.invalid:80/test'])
      assert.throws(() => named(said), { code: 'NAME_INVALID' });
    assert.throws(() => named('test', 'hosted.invalid'), { code: 'NAME_INVALID' });
  });
});
