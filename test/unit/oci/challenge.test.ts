import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Challenge, formatChallenge, parseChallenges } from '#src/oci/challenge.ts';

/** Scheme and parameters as plain data: the parser's own have no prototype. */
function read(header: string | undefined): { scheme: string; params: Record<string, string> }[] {
  return parseChallenges(header).map(({ scheme, params }) => ({ scheme, params: { ...params } }));
}

const hub =
  'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"';

describe('a WWW-Authenticate header', () => {
  const rows: [what: string, header: string | undefined, want: ReturnType<typeof read>][] = [
    ['that is absent', undefined, []],
    ['that is empty', ' , ,', []],
    ['of a scheme alone', 'Basic', [{ scheme: 'basic', params: {} }]],
    ['of a scheme with trailing blanks', 'Bearer   ', [{ scheme: 'bearer', params: {} }]],
    ['in any case', 'BaSiC ReAlM="x"', [{ scheme: 'basic', params: { realm: 'x' } }]],
    ['with a realm without quotes', 'Basic realm=/', [{ scheme: 'basic', params: { realm: '/' } }]],
    [
      'with a service without quotes (gcr.io)',
      'Bearer realm=https://gcr.io/v2/token,service=registry.example.io:443',
      [
        {
          scheme: 'bearer',
          params: { realm: 'https://gcr.io/v2/token', service: 'registry.example.io:443' },
        },
      ],
    ],
    [
      'with blanks around its signs',
      'Bearer  realm = "r" ,\t service= "s"',
      [{ scheme: 'bearer', params: { realm: 'r', service: 's' } }],
    ],
    [
      'with an empty value',
      'Bearer empty="",realm="r"',
      [{ scheme: 'bearer', params: { empty: '', realm: 'r' } }],
    ],
    ['with quotes around names', '"Basic" "realm"=/', [{ scheme: 'basic', params: { realm: '/' } }]],
    [
      'with escaped quotes',
      String.raw`Basic foo="foo\"bar\\",realm="r"`,
      [{ scheme: 'basic', params: { foo: 'foo"bar\\', realm: 'r' } }],
    ],
    [
      'of two challenges',
      'Bearer realm="r", service="s", Basic realm="b"',
      [
        { scheme: 'bearer', params: { realm: 'r', service: 's' } },
        { scheme: 'basic', params: { realm: 'b' } },
      ],
    ],
    [
      'of three lines that were joined',
      ['Negotiate', 'Digest realm="d", nonce="n"', hub].join(', '),
      [
        { scheme: 'negotiate', params: {} },
        { scheme: 'digest', params: { realm: 'd', nonce: 'n' } },
        {
          scheme: 'bearer',
          params: {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:a/b:pull',
          },
        },
      ],
    ],
    [
      'that ends within quotes',
      'Bearer realm="r",service="s',
      [{ scheme: 'bearer', params: { realm: 'r', service: 's' } }],
    ],
    [
      'that ends behind an equals sign',
      'Bearer realm="r",service=',
      [{ scheme: 'bearer', params: { realm: 'r', service: '' } }],
    ],
    [
      'without commas',
      'Bearer realm="r" service="s"',
      [{ scheme: 'bearer', params: { realm: 'r', service: 's' } }],
    ],
    [
      'with several scopes',
      'Bearer scope="repository:a:pull repository:b:pull"',
      [{ scheme: 'bearer', params: { scope: 'repository:a:pull repository:b:pull' } }],
    ],
    [
      'with a query in its realm',
      'Bearer realm="https://nvcr.io/proxy_auth?scope=repository:a:pull,push&x=y"',
      [
        {
          scheme: 'bearer',
          params: { realm: 'https://nvcr.io/proxy_auth?scope=repository:a:pull,push&x=y' },
        },
      ],
    ],
    [
      'with an error',
      'Bearer realm="r",error="insufficient_scope",error_description="no, not this"',
      [
        {
          scheme: 'bearer',
          params: { realm: 'r', error: 'insufficient_scope', error_description: 'no, not this' },
        },
      ],
    ],
    [
      'with a parameter twice, of which the first counts',
      'Bearer realm="r",realm="s"',
      [{ scheme: 'bearer', params: { realm: 'r' } }],
    ],
  ];
  for (const [what, header, want] of rows) {
    it(`${what} is read`, () => assert.deepEqual(read(header), want));
  }

  it('is read though it names what objects have of their own', () => {
    const [challenge] = parseChallenges('Bearer __proto__="x",constructor="y"');
    assert.deepEqual(Object.entries(challenge?.params ?? {}), [
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });

  it('never makes the parser throw', () => {
    const pieces = fc.constantFrom('Bearer', 'realm', '=', '"', '\\', ',', ' ', '\t', 'x', 'Basic', '\n');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((some) => some.join('')),
        ),
        (header) => {
          for (const { scheme, params } of parseChallenges(header)) {
            assert.equal(scheme, scheme.toLowerCase());
            assert.ok(Object.values(params).every((value) => typeof value === 'string'));
          }
        },
      ),
    );
  });

  it('is read as it was written', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
    const params = fc.dictionary(name, fc.stringMatching(/^[ -~]{0,20}$/), {
      maxKeys: 5,
      noNullPrototype: true,
    });
    const challenges = fc.array(fc.record({ scheme: name, params }, { noNullPrototype: true }), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(challenges, (list: readonly Challenge[]) => {
        assert.deepEqual(read(list.map(formatChallenge).join(', ')), list);
      }),
    );
  });

  it('is read in steps that grow with its length, whatever it is made of', () => {
    for (const piece of ['"', '\\"', 'a=', 'a ', ' ', '=,', 'a="', 'Bearer a=b,']) {
      const long = parseChallenges(piece.repeat(1_000_000));
      assert.ok(long.length <= 16);
    }
  });
});
