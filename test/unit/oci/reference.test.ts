import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '#src/oci/error.ts';
import {
  hostOf,
  isDigest,
  parseDigest,
  parseReference,
  parseRegistryHost,
  parseTag,
  pathOf,
  repositoryName,
} from '#src/oci/reference.ts';
import { repetitions } from '#test/setup/repetitions.ts';

const hex = 'a'.repeat(64);
const host = parseRegistryHost('ghcr.io');

describe('the grammar of names', () => {
  it('never throws anything but a RegistryError of status 400', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[a-z0-9.:/_@[\]-]*$/),
    );
    const parsers = [
      parseRegistryHost,
      parseTag,
      parseDigest,
      parseReference,
      (path: string) => repositoryName(host, path),
    ];
    fc.assert(
      fc.property(text, fc.constantFrom(...parsers), (input, parse) => {
        try {
          assert.equal(parse(input).toLowerCase().endsWith(input.toLowerCase()), true);
        } catch (error) {
          assert.ok(error instanceof RegistryError && error.status === 400, String(error));
        }
      }),
      { numRuns: repetitions(1000) },
    );
  });

  it('quotes what it refuses, but not all of it and no control characters', () => {
    assert.throws(
      () => parseTag(`\u001b[31m\n${'x'.repeat(10_000)}`),
      (error: Error) => {
        assert.ok(error.message.length < 200);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
        assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
        return true;
      },
    );
  });

  it('takes steps that grow with the length of what it reads', () => {
    for (const piece of ['a', 'a-', 'a_', 'a.', 'a/', '--', '__']) {
      const long = piece.repeat(200_000);
      assert.throws(() => repositoryName(host, `${long}!`), RegistryError);
      assert.throws(() => parseRegistryHost(`${long}!`), RegistryError);
    }
    // The longest that reach the grammar at all.
    for (const piece of ['a', 'a-', 'a--', 'a_']) {
      assert.throws(() => repositoryName(host, `${piece.repeat(250).slice(0, 240)}!`), RegistryError);
    }
  });
});

describe('a repository’s name', () => {
  const component = fc.stringMatching(/^[a-z0-9]{1,4}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/);
  const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

  it('is its host and its path, and gives both back', () => {
    fc.assert(
      fc.property(
        path,
        fc.constantFrom('ghcr.io', 'localhost:5000', '[::1]:5000', '127.0.0.1'),
        (text, at) => {
          const name = repositoryName(parseRegistryHost(at), text);
          assert.equal(hostOf(name), at);
          assert.equal(pathOf(name), text);
        },
      ),
    );
  });

  for (const bad of [
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    'A',
    'a/../b',
    '.a',
    'a.',
    'a..b',
    'a___b',
    '-a',
    'a b',
    'a\n',
    'ä',
    'a@b',
    'a:b',
  ]) {
    it(`is not ${JSON.stringify(bad)}`, () => {
      assert.throws(() => repositoryName(host, bad), { code: 'NAME_INVALID', status: 400 });
    });
  }

  it('has 255 characters at most, its host included', () => {
    assert.equal(repositoryName(host, 'a'.repeat(247)).length, 255);
    assert.throws(() => repositoryName(host, 'a'.repeat(248)), { code: 'NAME_INVALID' });
  });
});

describe('a registry’s host', () => {
  it('is written in lower case', () => assert.equal(parseRegistryHost('GHCR.io:443'), 'ghcr.io:443'));

  for (const bad of [
    '',
    'a b',
    'a/b',
    'user@host',
    'a..b',
    '-a',
    'a-',
    '.a',
    'a:0',
    'a:65536',
    'a:',
    '[::1',
    '::1',
    '[zz]',
    'a\n',
    'a?b',
    'a#b',
    'a\\b',
  ]) {
    it(`is not ${JSON.stringify(bad)}`, () => {
      assert.throws(() => parseRegistryHost(bad), { code: 'NAME_INVALID', status: 400 });
    });
  }

  it('is the host of a URL, whatever URLs make of it', () => {
    const text = fc.stringMatching(/^[a-z0-9.-]{1,20}(?::[0-9]{1,5})?$/);
    fc.assert(
      fc.property(text, (input) => {
        let parsed: string;
        try {
          parsed = parseRegistryHost(input);
        } catch {
          return;
        }
        if (URL.canParse(`https://${parsed}`)) assert.equal(new URL(`https://${parsed}`).pathname, '/');
      }),
    );
  });
});

describe('a reference', () => {
  it('is a digest if it holds a colon, and a tag otherwise', () => {
    assert.ok(isDigest(parseReference(`sha256:${hex}`)));
    assert.ok(isDigest(parseReference(`sha512:${hex}${hex}`)));
    assert.ok(!isDigest(parseReference(`sha256-${hex}`)));
    assert.ok(!isDigest(parseReference('V1.2_3-x')));
  });

  for (const bad of [
    'sha256:',
    `sha256:${hex}a`,
    `sha256:${hex.slice(1)}`,
    `sha256:${hex.toUpperCase()}`,
    `sha256:${hex.slice(1)}g`,
    `sha512:${hex}`,
    `md5:${hex}`,
    `:${hex}`,
    `__proto__:${hex}`,
    `constructor:${hex}`,
    `sha256:sha256:${hex}`,
    ` sha256:${hex}`,
    `sha256:${hex}\n`,
  ]) {
    it(`is not ${JSON.stringify(bad.slice(0, 30))}…`, () => {
      assert.throws(() => parseReference(bad), { code: 'DIGEST_INVALID', status: 400 });
    });
  }

  for (const bad of ['', '.a', '-a', 'a b', 'a/b', 'ä', 'a\n', 'a'.repeat(129)]) {
    it(`is no tag ${JSON.stringify(bad.slice(0, 10))}`, () => {
      assert.throws(() => parseReference(bad), { code: 'MANIFEST_INVALID', status: 400 });
    });
  }
});
