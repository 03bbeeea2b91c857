import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '#src/oci/error.ts';
import { formatRequest, parseRequest, type Request } from '#src/oci/request.ts';
import { repetitions } from '#test/setup/repetitions.ts';

/** The API’s own words are names too, and must not confuse anyone. */
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
const digest = fc.constantFrom(`sha256:${'0'.repeat(64)}`, `sha512:${'f'.repeat(128)}`);
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,8}$/);
/** Opaque, but no dot segment: those a path cannot hold. */
const id = fc
  .oneof(fc.uuid(), fc.string({ minLength: 1 }))
  .filter((text) => !['.', '..'].includes(text) && !text.includes('\0') && text.isWellFormed());
const text = fc.string().filter((value) => value.isWellFormed());

type Fields = Readonly<Record<string, fc.Arbitrary<string>>>;
/** Each of these requests, with any of the parameters, or without. */
function requests(kind: string, methods: readonly string[], fields: Fields = {}, parameters: Fields = {}) {
  const all = { kind: fc.constant(kind), method: fc.constantFrom(...methods), ...fields, ...parameters };
  const requiredKeys = ['kind', 'method', ...Object.keys(fields)];
  return fc.record<Record<string, string>>(all, { requiredKeys, noNullPrototype: true });
}

const reads = ['GET', 'HEAD'];
const page = { n: text, last: text };
const request = fc.oneof(
  requests('version', reads),
  requests('catalog', reads, {}, page),
  requests('manifest', [...reads, 'PUT', 'DELETE'], { name, reference: fc.oneof(tag, digest) }),
  requests('blob', [...reads, 'DELETE'], { name, digest }),
  requests('uploads', ['POST'], { name }, { mount: digest, from: name, digest }),
  requests('upload', [...reads, 'PATCH', 'PUT', 'DELETE'], { name, id }, { digest }),
  requests('tags', reads, { name }, page),
  requests('referrers', reads, { name, digest }, { artifactType: text }),
) as unknown as fc.Arbitrary<Request>;

/** As it comes at a server: the query letter by letter. */
function sent(one: Request): { readonly path: string; readonly query: URLSearchParams } {
  const { path, query } = formatRequest(one);
  return { path, query: new URLSearchParams(String(query)) };
}

describe('a request of the distribution API', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(request, (one) => {
        const { path, query } = sent(one);
        assert.deepEqual(parseRequest(one.method, path, query), one);
      }),
      { numRuns: repetitions(2000) },
    );
  });

  it('is written so that no URL changes it', () => {
    fc.assert(
      fc.property(request, (one) => {
        const { path, query } = formatRequest(one);
        const url = new URL('https://registry.example.com');
        url.pathname = path;
        url.search = String(query);
        assert.deepEqual(parseRequest(one.method, url.pathname, url.searchParams), one);
      }),
      { numRuns: repetitions(2000) },
    );
  });

  it('is read once from escapes, which any client may use', () => {
    fc.assert(
      fc.property(request, (one) => {
        const { path, query } = sent(one);
        if (path === '/v2/') return;
        const escaped = path
          .slice('/v2/'.length)
          .split('/')
          .map((part) => [...Buffer.from(decodeURIComponent(part))].map(asEscape).join(''))
          .join('/');
        assert.deepEqual(parseRequest(one.method, `/v2/${escaped}`, query), one);
      }),
    );
  });

  it('has its own parameters and no others', () => {
    const query = new URLSearchParams('ns=docker.io&n=5&last=a&digest=d&mount=m&from=f&artifactType=t');
    const parsed = (path: string) => parseRequest('GET', path, query);
    const given = (path: string) => Object.keys(parsed(path) ?? {}).join(' ');
    assert.equal(given('/v2/'), 'kind method');
    assert.equal(given('/v2/_catalog'), 'kind method n last');
    assert.equal(given('/v2/a/manifests/v1'), 'kind method name reference');
    assert.equal(given('/v2/a/blobs/d'), 'kind method name digest');
    assert.equal(given('/v2/a/tags/list'), 'kind method name n last');
    assert.equal(given('/v2/a/blobs/uploads/'), 'kind method name mount from digest');
    assert.equal(given('/v2/a/blobs/uploads/1'), 'kind method name id digest');
    assert.deepEqual(parsed('/v2/a/referrers/x'), {
      kind: 'referrers',
      method: 'GET',
      name: 'a',
      digest: 'x',
      artifactType: 't',
    });
  });

  it('takes of a parameter that is there twice the first, and an empty one as it is', () => {
    const query = new URLSearchParams('n=1&n=2&last=');
    const read = { kind: 'tags', method: 'GET', name: 'a', n: '1', last: '' };
    assert.deepEqual(parseRequest('GET', '/v2/a/tags/list', query), read);
  });

  it('is told by its path, whatever its method is', () => {
    for (const method of ['PATCH', 'OPTIONS', 'get', '']) {
      assert.deepEqual(parseRequest(method, '/v2/a/tags/list'), { kind: 'tags', method, name: 'a' });
    }
  });

  it('is never read by throwing anything but NAME_INVALID', () => {
    const path = fc.oneof(
      fc.webPath(),
      fc.string(),
      fc.array(fc.oneof(segment, fc.string())).map((parts) => `/v2/${parts.join('/')}`),
    );
    fc.assert(
      fc.property(path, text, (hostile, query) => {
        try {
          parseRequest('GET', hostile, new URLSearchParams(query));
        } catch (error) {
          assert.ok(error instanceof RegistryError && error.code === 'NAME_INVALID', String(error));
        }
      }),
      { numRuns: repetitions(1000) },
    );
  });

  it('never has a name with an empty or a dot segment, however it is escaped', () => {
    const part = fc.oneof(
      segment,
      fc.constantFrom('', '.', '..', '%2e', '%2E%2e', '.%2e', '%2f', '%5c', '..%2f', '%00', '%', '%ff', '\\'),
    );
    const paths = fc.tuple(
      fc.array(part, { maxLength: 4 }),
      fc.constantFrom('manifests', 'blobs', 'referrers'),
    );
    fc.assert(
      fc.property(paths, ([parts, word]) => {
        let read: ReturnType<typeof parseRequest>;
        try {
          read = parseRequest('GET', `/v2/${[...parts, word, 'x'].join('/')}`);
        } catch {
          return;
        }
        assert.ok(read !== undefined && 'name' in read);
        if (parts.length === 0) return;
        assert.doesNotMatch(read.name, /^\/|\/\/|\/$|^$|\\|\0|(?:^|\/)\.{1,2}(?:\/|$)/);
        assert.equal(read.name.split('/').length, parts.length);
      }),
      { numRuns: repetitions(2000) },
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
    '/v2/blobs/uploads/1',
    '/v2/a/uploads/1',
    '/v2/a/blobs/uploads/1/2',
    '/v2/_catalog/',
  ]) {
    it(`is not at ${path === '' ? 'nothing' : path}`, () =>
      assert.equal(parseRequest('GET', path), undefined));
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
    '/v2/a/manifests/x\0',
    '/v2/../blobs/uploads/',
    '/v2/a/%2e/blobs/uploads/1',
    '/v2/a/blobs/uploads/%',
    '/v2/%zz',
    '/v2/%00',
  ]) {
    it(`is refused at ${JSON.stringify(path)}`, () => {
      assert.throws(() => parseRequest('GET', path), { code: 'NAME_INVALID', status: 400 });
    });
  }

  it('that is doubly escaped stays escaped once', () => {
    assert.deepEqual(parseRequest('GET', '/v2/a/manifests/%252e%252e'), {
      kind: 'manifest',
      method: 'GET',
      name: 'a',
      reference: '%2e%2e',
    });
  });

  it('that begins an upload is one with or without its slash, and its id is opaque', () => {
    const uploads = { kind: 'uploads', method: 'POST', name: 'a/blobs/uploads' };
    for (const end of ['', '/'])
      assert.deepEqual(parseRequest('POST', `/v2/a/blobs/uploads/blobs/uploads${end}`), uploads);
    const upload = { kind: 'upload', method: 'PATCH', name: 'a', id: 'b/c?d#e' };
    assert.deepEqual(parseRequest('PATCH', '/v2/a/blobs/uploads/b%2Fc%3Fd%23e'), upload);
  });
});

function asEscape(byte: number): string {
  return `%${byte.toString(16).padStart(2, '0')}`;
}
