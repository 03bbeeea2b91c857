import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openPasswords } from '#src/config/open-passwords.ts';
import { loadText, problemsOf } from '#test/fakes/config-text.ts';

const basic = 'basic: { htpasswdFile: f }';
const url = 'publicUrl: https://a.io\n';

/** Of `auth.oauth.clients`, with what is wrong with the first. */
function clients(
  rows: readonly (readonly [client: string, problem: string])[],
): readonly (readonly [text: string, problem: string])[] {
  return rows.map(([client, problem]) => [
    `${url}auth: { ${basic}, oauth: { clients: [${client}], signing: { algorithm: ES256 } } }`,
    problem,
  ]);
}

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
    ...clients([
      [
        '{ id: a, public: true, secretFromEnv: S, grants: [device_code] }',
        '2:94: auth.oauth.clients[0].secretFromEnv: a public client has no secret',
      ],
      [
        '{ id: a, public: true, grants: [device_code, client_credentials] }',
        '2:101: auth.oauth.clients[0].grants[1]: client_credentials needs a secret: a public client has none',
      ],
      [
        '{ id: a, secretFromEnv: S, grants: [password, password] }',
        '2:102: auth.oauth.clients[0].grants[1]: is there twice',
      ],
      [
        '{ id: a, secretFromEnv: S, grants: [] }',
        '2:91: auth.oauth.clients[0].grants: is empty: the client would get no token',
      ],
      [
        '{ id: a, secretFromEnv: S, grants: [authorization_code] }',
        '2:92: auth.oauth.clients[0].grants[0]: authorization_code needs redirectUris',
      ],
      [
        '{ id: a, secretFromEnv: S, redirectUris: ["https://a.io/b"] }',
        '2:97: auth.oauth.clients[0].redirectUris: has no effect without authorization_code in grants',
      ],
      [
        '{ id: a, secretFromEnv: S, grants: [client_credentials, refresh_token] }',
        '2:112: auth.oauth.clients[0].grants[1]: refresh_token needs another one that gives such tokens: authorization_code, device_code, password',
      ],
    ]),
    [
      `${url}auth: { oauth: { clients: [{ id: a, secretFromEnv: S, grants: [password] }], signing: { algorithm: ES256 } } }`,
      '2:64: auth.oauth.clients[0].grants[0]: needs auth.basic: its users sign in with a password',
    ],
    [
      `auth: { ${basic}, oauth: { clients: [{ id: a, secretFromEnv: S, grants: [password, device_code] }], signing: { algorithm: ES256 } } }`,
      '1:102: auth.oauth.clients[0].grants[1]: needs publicUrl: there users are sent to sign in',
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

  it('go back to where nobody else is: each URI in full, by TLS unless it is on the same machine', async () => {
    const problems = async (uri: string): Promise<readonly string[]> =>
      await problemsOf(
        `${url}auth: { ${basic}, oauth: { clients: [{ id: a, public: true, grants: [authorization_code], redirectUris: [${JSON.stringify(uri)}] }], signing: { algorithm: ES256 } } }`,
      );
    for (const good of [
      'https://a.io/back?x=y',
      'https://[2001:db8::1]:8443/back',
      'http://127.0.0.1/back',
      'http://[::1]:8080/back',
      'http://localhost:3000/back',
      'com.example.app:/back',
    ])
      assert.deepEqual(await problems(good), [], good);
    for (const bad of [
      'http://a.io/back',
      'http://localhost.a.io/back',
      'http://127.0.0.1.a.io/back',
      'http://127.0.0.1@a.io/back',
      'https://user:word@a.io/back',
      'https://a.io/back#x',
      'https://*.a.io/back',
      'https://a.io/b ack',
      'https:a.io/back',
      'https://a;script-src/back',
      '/back',
      'javascript:alert(1)',
      'data:text/html,x',
      'app:/back',
      '',
    ])
      assert.match(String(await problems(bad)), /redirectUris\[0\]: must be an https URL/, bad);
  });
});

describe('what no door takes', () => {
  const access = 'access: [{ name: a, who: anyone, repositories: ["**"], actions: [pull] }]';
  const files = (atPort: string, listeners = ''): string =>
    `publicUrl: https://a.io\n${access}\nauth: { ${basic}, tokenService: { issuer: a, service: b }, issuers: [{ issuer: "https://a.io", audience: a }], atPort: ${atPort} }\n${listeners}`;
  const warnings = async (text: string): Promise<readonly string[]> => (await loadText(text)).warnings;
  const line = (kind: string): string =>
    `auth.${kind} has no effect: neither port (auth.atPort) nor one of listeners takes it`;

  it('is warned of, and passwords are not where they are good for tokens', async () => {
    assert.deepEqual(await warnings(files('[tokenService]')), [line('issuers')]);
    const all = [line('basic'), line('tokenService'), line('issuers')];
    for (const listeners of ['', 'listeners: [{ port: 1, serve: files, directory: d }]'])
      assert.deepEqual(await warnings(files('[]', listeners)), all);
    assert.deepEqual(await warnings(files('[]', 'listeners: [{ port: 1, serve: registry }]')), []);
    const door =
      'listeners: [{ port: 1, serve: files, directory: d }, { port: 2, serve: token, auth: [tokenService] }]';
    assert.deepEqual(await warnings(files('[issuers]', door)), []);
  });
});

describe('the secret of a program', () => {
  it('is warned of where it is short', async () => {
    const clients = 'clients: [{ id: short, secretFromEnv: S }, { id: long, secretFromEnv: L }]';
    const env = { S: 'x'.repeat(15), L: 'x'.repeat(16) };
    const text = `auth: { oauth: { ${clients}, signing: { algorithm: ES256 } } }`;
    assert.deepEqual((await loadText(text, { env })).warnings, [
      'auth.oauth: the secret of the client "short" has fewer than 16 bytes, and is found by trying sooner or later: openssl rand -base64 24 makes one',
    ]);
  });
});

describe('passwords in plain HTTP', () => {
  const found = async (text: string): Promise<readonly string[]> =>
    openPasswords((await loadText(text, { env: { S: 'secret' } })).config);
  const line = (port: number, how: string): string =>
    `auth: passwords and secrets come to port ${port} of 0.0.0.0 in plain HTTP, and whoever is between reads them: ${how} is missing, or publicUrl with https where a proxy has the TLS`;
  const files = 'auth: { basic: { htpasswdFile: f } }\n';
  const oauth =
    'auth: { basic: { htpasswdFile: f }, oauth: { clients: [], signing: { algorithm: ES256 } }, atPort: [basic] }\n';

  it('are warned of, at each door where they are taken', async () => {
    assert.deepEqual(await found(files), [line(8080, 'serverTlsConfig')]);
    const doors = '{ port: 6000, serve: registry, auth: [oauth] }, { port: 9096, serve: token }';
    const more = '{ port: 6001, serve: registry, auth: [] }, { port: 8000, serve: files, directory: d }';
    assert.deepEqual(await found(`${oauth}host: 127.0.0.1\nlisteners: [${doors}, ${more}]`), [
      line(6000, 'listeners[0].tls'),
      line(9096, 'listeners[1].tls'),
    ]);
  });

  it('are warned of where a registry is asked by them', async () => {
    const passing = 'registries: [{ name: r.example, authorization: passThrough }]\n';
    const listeners =
      'listeners: [{ port: 6000, serve: registry, auth: [] }, { port: 8000, serve: files, directory: d }, { port: 6001, serve: registry }]';
    assert.deepEqual(
      await found(passing + listeners),
      [line(8080, 'serverTlsConfig'), line(6001, 'listeners[2].tls')].map((text) =>
        text.replace('auth: passwords and secrets', 'registries: passwords of their users'),
      ),
    );
    assert.deepEqual(await found(`${passing}serverTlsConfig: { cert: c, key: k }`), []);
    assert.deepEqual(await found(passing.replace('passThrough', 'shared')), []);
  });

  it('are none over TLS, here or at a proxy, on this machine alone, and where none are taken', async () => {
    assert.deepEqual(await found(`${files}serverTlsConfig: { cert: c, key: k }`), []);
    assert.deepEqual(await found(`${files}publicUrl: https://cache.example.com`), []);
    assert.deepEqual(await found(`${files}host: "::1"`), []);
    assert.deepEqual(await found('auth: { issuers: [{ issuer: "https://a.io", audience: a }] }'), []);
    assert.deepEqual(await found('access: []'), []);
  });
});
