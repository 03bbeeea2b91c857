import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { problemsOf } from '#test/fakes/config-text.ts';

const basic = 'basic: { htpasswdFile: f }';
const url = 'publicUrl: https://a.io\n';

describe('who clients are', () => {
  const rules: readonly (readonly [text: string, problem: string])[] = [
    ['auth: {}', '1:7: auth: needs basic, tokenService, oauth or issuers: else nobody could ever come in'],
    [
      `${url}auth: { tokenService: { issuer: a, service: b } }`,
      '2:23: auth.tokenService: needs auth.basic: its tokens are had with a password',
    ],
    [
      `auth: { ${basic}, tokenService: { issuer: a, service: b } }`,
      '1:51: auth.tokenService: needs publicUrl: there clients are sent for tokens',
    ],
    [
      `${url}auth: { ${basic}, tokenService: { issuer: a, service: b, expiry: 61m } }`,
      '2:84: auth.tokenService.expiry: must be 1h or less, not "61m"',
    ],
    [
      'auth: { oauth: { clients: [], signing: { algorithm: HS256 } } }',
      '1:53: auth.oauth.signing.algorithm: HS256 needs secretFromEnv or secretFile',
    ],
    [
      'auth: { oauth: { clients: [], signing: { algorithm: ES256, secretFromEnv: S } } }',
      '1:53: auth.oauth.signing.algorithm: ES256 is signed with a key, and not with a secret',
    ],
    [
      'auth: { oauth: { clients: [{ id: a, secretFromEnv: S }, { id: a, secretFromEnv: S }], signing: { algorithm: ES256 } } }',
      '1:63: auth.oauth.clients[1].id: is there twice',
    ],
    [
      'auth: { oauth: { clients: [{ id: a }], signing: { algorithm: ES256 } } }',
      '1:28: auth.oauth.clients[0]: needs secretFromEnv or secretFile',
    ],
    [
      'auth: { issuers: [{ issuer: portus.test, audience: a }] }',
      '1:29: auth.issuers[0].issuer: is no URL where keys could be found: jwksUrl or keyFile is needed',
    ],
    [
      'auth: { issuers: [{ issuer: a, audience: a, jwksUrl: "https://a", keyFile: f }] }',
      '1:76: auth.issuers[0].keyFile: has no effect beside jwksUrl',
    ],
  ];
  for (const [text, problem] of rules)
    it(`is asked in a way that somebody can answer: ${problem}`, async () => {
      assert.deepEqual(await problemsOf(text, { env: { S: 'secret' } }), [`config.yaml:${problem}`]);
    });

  it('is asked by passwords, tokens, or both', async () => {
    const texts = [
      `auth: { ${basic} }`,
      `${url}auth: { ${basic}, tokenService: { issuer: a, service: b } }`,
      'auth: { issuers: [{ issuer: "https://a.io", audience: a }] }',
    ];
    for (const text of texts) assert.deepEqual(await problemsOf(text), []);
  });
});
