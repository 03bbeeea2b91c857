import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { quotable, readings } from '#src/upstream/quotable.ts';

type Encoding = (text: string) => string;

const each = (text: string, encode: (character: string, at: number) => string) =>
  [...text].map(encode).join('');
const hex = (character: string, width: number) =>
  (character.codePointAt(0) ?? 0).toString(16).padStart(width, '0');
const bytesInPercent = (character: string) =>
  [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

const encodings: Readonly<Record<string, Encoding>> = {
  'as it is': (text) => text,
  'as in a URL': encodeURIComponent,
  'as in a form': (text) => new URLSearchParams({ x: text }).toString().slice(2),
  'percent-encoded whole': (text) => each(text, bytesInPercent),
  'percent-encoded whole, in capitals': (text) => each(text, bytesInPercent).toUpperCase(),
  'percent-encoded here and there': (text) =>
    each(text, (character, at) => (at % 3 === 0 ? bytesInPercent(character) : encodeURIComponent(character))),
  'percent-encoded twice': (text) => encodeURIComponent(each(text, bytesInPercent)),
  'in base64': (text) => Buffer.from(text).toString('base64'),
  'in base64url': (text) => Buffer.from(text).toString('base64url'),
  'in base64 behind one byte': (text) => Buffer.from(`u${text}!`).toString('base64'),
  'in base64 behind two': (text) => Buffer.from(`u:${text}!`).toString('base64url'),
  'in base64 in a URL': (text) => encodeURIComponent(Buffer.from(`user:${text}`).toString('base64')),
  'in lines of base64': (text) =>
    Buffer.from(`user:${text}`).toString('base64').replaceAll(/.{10}/g, '$&\r\n'),
  'in escapes of JSON': (text) => each(text, (character) => `\\u${hex(character, 4)}`),
  'as JSON': (text) => JSON.stringify(text),
  'as JSON with slashes escaped': (text) => JSON.stringify(text).replaceAll('/', '\\/'),
  'in escapes of HTML': (text) => each(text, (character) => `&#x${hex(character, 2)};`),
  'in decimal escapes of HTML': (text) => each(text, (character) => `&#${character.codePointAt(0)};`),
  'as HTML': (text) =>
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll("'", '&apos;'),
  'percent-encoded in escapes of JSON': (text) =>
    each(each(text, bytesInPercent), (character) => `\\u${hex(character, 4)}`),
};

/** As passwords and tokens are: visible, and also beyond ASCII. */
const secrets = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'abcXYZ0189&%<>"\'\\/+-_=: äß€'), minLength: 8, maxLength: 60 }),
  fc.string({ minLength: 8, maxLength: 200 }),
);

describe('a secret in upstream’s words', () => {
  for (const [how, encode] of Object.entries(encodings)) {
    it(`is not told ${how}`, () => {
      fc.assert(
        fc.property(secrets, fc.string(), fc.string(), (secret, before, behind) => {
          assert.equal(quotable(`${before} ${encode(secret)} ${behind}`, ['', secret]), undefined);
        }),
      );
    });
  }

  it('is not told as JSON where a backslash in it stands before what would be an escape', () => {
    for (const secret of ['a\\Xaaaaaa', 'pass\\u0041word', 'pass\\\\x41word'])
      assert.equal(quotable(`wrong: ${JSON.stringify(secret)}`, [secret]), undefined, secret);
  });

  it('is not told in part', () => {
    const token = Array.from({ length: 40 }, (_, at) => `p${at}Q`).join('.');
    assert.equal(quotable(`bad token ${token.slice(7, 45)}…`, [token]), undefined);
    assert.equal(
      quotable(`bad token ${Buffer.from(token).toString('base64').slice(11, 60)}…`, [token]),
      undefined,
    );
  });

  it('that is short is not told by itself, and is nothing in the middle of a word', () => {
    for (const [secret, words] of [
      ['a', 'manifest unknown: latest'],
      ['test', 'the latest tag of contest/app is not there'],
      ['admin', 'administrators only'],
      ['tag-1', 'no such tag-12'],
    ] as const)
      assert.equal(quotable(words, [secret]), words);
    for (const words of [
      'wrong password test',
      'test\nis wrong',
      'wrong\ntest',
      'http://me:test@registry.example/',
      'me%3Atest',
      'user=me&password=test',
      '"\\u0074est"',
    ])
      assert.equal(quotable(words, ['test']), undefined, words);
    assert.equal(quotable('no $?b for you', ['$?b']), undefined);
    assert.equal(quotable('no a+b', ['a b']), undefined);
    assert.equal(quotable('😀x is wrong', ['😀x']), undefined);
  });

  it('is not told though nobody knows it, where it follows its scheme', () => {
    assert.equal(
      quotable('refused: "Bearer abc.def-_~+/=", basic dTpw!', []),
      'refused: "Bearer …", basic …',
    );
    assert.equal(quotable('refused: Authorization%3A%20Bearer%20abc.def', []), undefined);
    assert.equal(quotable('refused: Basic\\u0020dTpw', []), undefined);
  });

  it('is not told as what a URL was signed with, nor what it was signed for, nor whom it names', () => {
    for (const [words, told] of [
      [
        'expired: https://b.s3.amazonaws.com/o/k?X-Amz-Date=1&X-Amz-Signature=abc, ask again',
        'expired: https://b.s3.amazonaws.com/… ask again',
      ],
      [
        'GET "https://a.blob.core.windows.net/c/o?sv=1&sig=a%2Fb%3D" failed',
        'GET "https://a.blob.core.windows.net/…" failed',
      ],
      ['no <a href="https://c.example/x?y">x</a>', 'no <a href="https://c.example/…">x</a>'],
      ['see https://me:hunter2@a.example/x.', 'see https://a.example/x.'],
      ['see https://a.example:5000/x#access_token=abc', 'see https://a.example:5000/…'],
      ['no /o/k?sig=abc&se=1 here', 'no /o/k?… here'],
      ['no /o/k?eyJhbGciOiJIUzI1NiJ9.e30.abc here', 'no /o/k?… here'],
      ['X-Amz-Credential=AKIA%2F1&X-Amz-Signature=abc', 'X-Amz-Credential=…&X-Amz-Signature=…'],
      ['bad form: user=me&refresh_token=abc', 'bad form: user=me&refresh_token=…'],
      ['bad: {"X-Amz-Signature": "abc", "n":"1"}', 'bad: {"X-Amz-Signature":"…", "n":"1"}'],
      ["bad: {'refresh_token':'abc'}", "bad: {'refresh_token':'…'}"],
      ['no //me:hunter2@a.example/x here', 'no //a.example/x here'],
    ] as const)
      assert.equal(quotable(words, []), told);
  });

  it('is a URL’s in any encoding', () => {
    const signature = 'dGhpcyBpcyBhIHNpZ25hdHVyZQ';
    const urls = [
      `https://b.example/o/k?X-Amz-Date=1&X-Amz-Signature=${signature}`,
      `/o/k?sig=${signature}&se=1`,
      `https://me:${signature}@b.example/`,
    ];
    for (const [how, encode] of Object.entries(encodings)) {
      // What is in base64 is no URL to anybody who reads it.
      if (how.includes('base64')) continue;
      for (const url of urls) {
        const told = quotable(`expired: ${encode(url)}, ask again`, []) ?? '';
        assert.ok(!readings(told).at(-1)?.includes(signature.slice(0, 8)), `${how}: ${told}`);
      }
    }
  });

  it('is nothing that leads to what everybody may read', () => {
    for (const words of [
      'You have reached your pull rate limit: https://www.docker.com/increase-rate-limit',
      'see https://docs.example/registry/#limits, or ask: really? yes',
      'is it https://a.example/x?',
      'tag=v1 is unknown; did you mean v2?',
    ])
      assert.equal(quotable(words, []), words);
  });

  it('is all that is not told', () => {
    const words = 'manifest unknown: <b>50% of r&d</b> “v1” \\o/ https://a.example/x';
    assert.equal(quotable(words, ['hunter2hunter2', 'x']), undefined);
    assert.equal(quotable(words, ['hunter2hunter2', '']), words);
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'abc &%\\#;0') }),
        (text) => quotable(text, ['XYZ-XYZ-XYZ']) === text,
      ),
    );
  });
});
