import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Endpoint, endpointPath, parseEndpoint } from '#src/oci/endpoint.ts';
import { RegistryError } from '#src/oci/error.ts';

/** The endpoints’ own words are names too, and must not confuse anyone. */
const segment = fc.oneof(
  fc.stringMatching(/^[a-z0-9]{1,5}(?:[._-][a-z0-9]{1,3})?$/),
  fc.constantFrom(
    'manifests',
    'blobs',
    'tags',
    'list',
    'uploads',
    'referrers',
    'v2',
    '_catalog',
    'localhost:5000',
  ),
);
const name = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
const digest = fc.constant(`sha256:${'0'.repeat(64)}`);
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,8}$/);
const endpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  fc.constantFrom<Endpoint>({ kind: 'version' }, { kind: 'catalog' }),
  fc.record(
    { kind: fc.constant('manifest' as const), name, reference: fc.oneof(tag, digest) },
    { noNullPrototype: true },
  ),
  fc.record({ kind: fc.constant('blob' as const), name, digest }, { noNullPrototype: true }),
  fc.record({ kind: fc.constant('tags' as const), name }, { noNullPrototype: true }),
  fc.record({ kind: fc.constant('referrers' as const), name, digest }, { noNullPrototype: true }),
  fc.record({ kind: fc.constant('uploads' as const), name }, { noNullPrototype: true }),
);

describe('an endpoint', () => {
  it('is read from its path as it was written into it', () => {
    fc.assert(
      fc.property(endpoint, (one) => assert.deepEqual(parseEndpoint(endpointPath(one)), one)),
      { numRuns: 500 },
    );
  });

  it('is read once from escapes, which any client may use', () => {
    fc.assert(
      fc.property(endpoint, (one) => {
        const path = endpointPath(one);
        if (path === '/v2/' || path === '/v2/_catalog') return;
        const escaped = path
          .slice('/v2/'.length)
          .split('/')
          .map((part) => [...part].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join(''))
          .join('/');
        // A trailing slash is the end of an upload’s path.
        assert.deepEqual(parseEndpoint(`/v2/${escaped}`), one);
      }),
    );
  });

  it('is never read by throwing anything but NAME_INVALID', () => {
    const path = fc.oneof(
      fc.webPath(),
      fc.string(),
      fc.array(fc.oneof(segment, fc.string())).map((parts) => `/v2/${parts.join('/')}`),
    );
    fc.assert(
      fc.property(path, (text) => {
        try {
          parseEndpoint(text);
        } catch (error) {
          assert.ok(error instanceof RegistryError && error.code === 'NAME_INVALID', String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });

  for (const path of [
    '/',
    '/v1/a/manifests/x',
    '/v2/a',
    '/v2/a/b',
    '/v2/a/tags',
    '/v2/a/tags/x',
    '/v2x',
    '',
    '/v2/a/manifests',
  ]) {
    it(`is not at ${path === '' ? 'nothing' : path}`, () => assert.equal(parseEndpoint(path), undefined));
  }

  for (const path of [
    '/v2/a/../b/manifests/x',
    '/v2/a/%2e%2e/manifests/x',
    '/v2/./manifests/x',
    '/v2//a/manifests/x',
    '/v2/a%2fb/manifests/x',
    '/v2/a%5cb/manifests/x',
    '/v2/a%00/manifests/x',
    '/v2/a/manifests/%',
    '/v2/a/manifests/%ff',
    '/v2/a/manifests/x%00',
  ]) {
    it(`is refused at ${path}`, () => {
      assert.throws(() => parseEndpoint(path), { code: 'NAME_INVALID', status: 400 });
    });
  }

  it('that is doubly escaped stays escaped once', () => {
    assert.deepEqual(parseEndpoint('/v2/a/manifests/%252e%252e'), {
      kind: 'manifest',
      name: 'a',
      reference: '%2e%2e',
    });
  });
});
