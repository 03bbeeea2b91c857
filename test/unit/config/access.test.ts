import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadText, problemsOf } from '#test/fakes/config-text.ts';

const rule = (who: string, repositories = '"**"') =>
  `access: [{ name: x, who: ${who}, repositories: [${repositories}], actions: [pull] }]`;

describe('rules of access, as they are configured', () => {
  it('are about anyone, nobody in particular, a user, a group, a certificate, addresses', async () => {
    for (const who of ['anyone', 'anonymous', '{ cidr: 10.0.0.0/8 }'])
      assert.deepEqual((await loadText(rule(who))).warnings, [], who);
    assert.deepEqual(await problemsOf(rule('everyone')), [
      'config.yaml:1:26: access[0].who: must be anyone, anonymous, or a mapping with one of user, client, subject, group, claim, issuer (beside these three, where there are several), certificate and cidr',
    ]);
  });

  it('about certificates are about nobody where none is asked for, which is said', async () => {
    const rules = rule('{ certificate: "node-*" }');
    const asked = 'tls: { cert: a, key: b, ca: c, clientAuth: verify }';
    const { warnings } = await loadText(rules);
    assert.deepEqual(warnings, [
      'access: the rule "x" is about nobody, since no client is asked for a certificate (clientAuth: verify)',
    ]);
    for (const door of [
      `serverTlsConfig: ${asked.slice('tls: '.length)}`,
      `listeners: [{ port: 9000, serve: registry, ${asked} }]`,
    ])
      assert.deepEqual((await loadText(`${rules}\n${door}`)).warnings, [], door);
  });

  it('never decide behind one that is about all of it, which is said', async () => {
    const rules = async (key: string, ...texts: readonly string[]): Promise<readonly string[]> =>
      (await loadText(`${key}: [${texts.map((text, at) => `{ name: r${at}, ${text} }`).join(', ')}]`))
        .warnings;
    const said = (key: string) => [
      `${key}: the rule "r1" never decides: "r0" before it is about all that it is about`,
    ];
    const all = 'who: anyone, repositories: ["**"], actions: [pull]';
    const some = 'who: { cidr: 10.0.0.0/8 }, repositories: ["docker.io/a/**", "ghcr.io/*"], actions: [pull]';
    const kept = 'who: { cidr: 10.0.0.0/8 }, repositories: ["ghcr.io/*"], actions: []';
    assert.deepEqual(await rules('access', all, kept), said('access'));
    assert.deepEqual(await rules('access', some, kept), said('access'));
    assert.deepEqual(await rules('access', kept, some, all), []);
    assert.deepEqual(await rules('access', some, kept.replace('10.', '11.')), []);
    const [allow, deny] = ['effect: allow', 'effect: deny'];
    assert.deepEqual(
      await rules(
        'policy',
        `repositories: ["**"], ${allow}`,
        `repositories: ["docker.io/**:*-dev"], ${deny}`,
      ),
      said('policy'),
    );
    assert.deepEqual(
      await rules('policy', `repositories: ["**:v*"], ${allow}`, `repositories: ["**"], ${deny}`),
      [],
    );
  });

  it('are no limits by user where nobody has a name, which is said', async () => {
    const limit = 'rateLimit: { requests: 1, per: 1m, by: user }';
    const said = ['rateLimit: by: user counts nobody without auth, since nobody has a name'];
    assert.deepEqual((await loadText(limit)).warnings, said);
    assert.deepEqual(
      (await loadText(`listeners: [{ port: 9000, serve: registry, ${limit} }]`)).warnings,
      said,
    );
    assert.deepEqual((await loadText(limit.replace(', by: user', ''))).warnings, []);
    const certificates = 'serverTlsConfig: { cert: a, key: b, ca: c, clientAuth: verify }';
    assert.deepEqual((await loadText(`${limit}\n${certificates}`)).warnings, []);
    assert.deepEqual((await loadText(`${limit}\nauth: { basic: { htpasswdFile: users } }`)).warnings, []);
  });

  it('about addresses are about whoever likes where these are believed as proxies, which is said', async () => {
    const warnings = async (cidr: string, proxies: string): Promise<readonly string[]> =>
      (await loadText(`${rule(`{ cidr: "${cidr}" }`)}\ntrustedProxies: [${proxies}]`)).warnings;
    const said = (block: string): readonly string[] => [
      `access: the rule "x" is about addresses in ${block} of trustedProxies: whoever has one is believed as a proxy, and may say that he has any other; name the proxies alone there`,
    ];
    assert.deepEqual(await warnings('10.1.0.0/16', '192.0.2.1, 10.0.0.0/8'), said('10.0.0.0/8'));
    assert.deepEqual(await warnings('10.0.0.0/8', '10.0.0.0/8'), said('10.0.0.0/8'));
    assert.deepEqual(await warnings('10.1.2.3', '10.0.0.5, 0.0.0.0/0'), [
      'trustedProxies: 0.0.0.0/0 is everybody, who then may say that he has any address: name the proxies',
    ]);
    assert.deepEqual(await warnings('fd00:1::/32', '"fd00::/8"'), said('fd00::/8'));
    for (const [cidr, proxies] of [
      ['10.0.0.0/8', '10.0.0.5, 10.0.0.6/32'],
      ['10.0.0.0/8', '10.0.0.0/28'],
      ['10.0.0.5', '10.0.0.5'],
      ['11.0.0.0/16', '10.0.0.0/8'],
      ['fd00:1::/32', '10.0.0.0/8'],
    ] as const)
      assert.deepEqual(await warnings(cidr, proxies), [], `${cidr} ${proxies}`);
  });

  it('about users are about nobody where nobody is asked, which is said', async () => {
    for (const who of [
      '{ user: ann }',
      '{ group: ci }',
      '{ client: app }',
      '{ subject: ann }',
      '{ claim: { a: b } }',
    ])
      assert.deepEqual((await loadText(rule(who))).warnings, [
        'access: the rule "x" is about nobody, since no client is known without auth',
      ]);
    const basic = 'auth: { basic: { htpasswdFile: users } }';
    for (const [who, kind] of [
      ['{ client: app }', 'oauth'],
      ['{ group: ci }', 'issuers'],
    ] as const)
      assert.deepEqual((await loadText(`${rule(who)}\n${basic}`)).warnings, [
        `access: the rule "x" is about nobody, since no client is known so without auth.${kind}`,
      ]);
    assert.deepEqual((await loadText(`${rule('{ user: ann }')}\n${basic}`)).warnings, []);
  });

  it('say of which kind a name is, and of which issuer where there are several', async () => {
    const oauth =
      'auth: { oauth: { clients: [{ id: app, secretFromEnv: S }], signing: { algorithm: ES256 } }, basic: { htpasswdFile: users } }';
    const env = { S: 'secret-of-app-1234' };
    assert.deepEqual(await problemsOf(`${rule('{ client: app }')}\n${oauth}`, { env }), []);
    assert.deepEqual(await problemsOf(`${rule('{ client: other }')}\n${oauth}`, { env }), [
      'config.yaml:1:36: access[0].who.client: is the id of no client of auth.oauth',
    ]);
    const { warnings } = await loadText(`${rule('{ user: app }')}\n${oauth}`, { env });
    assert.ok(
      warnings.includes(
        'access: the rule "x" is about a user of auth.basic, and not about the client of the same name: that is { client }',
      ),
    );
    const issuers = (...names: string[]): string =>
      `auth: { issuers: [${names.map((name) => `{ issuer: "https://${name}.test", audience: cache }`).join(', ')}] }`;
    assert.deepEqual(await problemsOf(`${rule('{ issuer: "https://a.test" }')}\n${issuers('a', 'b')}`), []);
    assert.equal(
      (await problemsOf(`${rule('{ issuer: "https://c.test" }')}\n${issuers('a', 'b')}`)).length,
      1,
    );
    for (const who of ['subject: ann', 'group: ci', 'claim: { a: b, c: true, d: 7 }']) {
      assert.deepEqual(await problemsOf(`${rule(`{ ${who} }`)}\n${issuers('a', 'a')}`), [], who);
      assert.deepEqual(
        await problemsOf(`${rule(`{ ${who}, issuer: "https://b.test" }`)}\n${issuers('a', 'b')}`),
        [],
      );
      assert.deepEqual(await problemsOf(`${rule(`{ ${who} }`)}\n${issuers('a', 'b')}`), [
        'config.yaml:1:26: access[0].who: needs issuer: more than one of auth.issuers could say so',
      ]);
      const [problem = ''] = await problemsOf(
        `${rule(`{ ${who}, issuer: "https://c.test" }`)}\n${issuers('a')}`,
      );
      assert.match(problem, /access\[0\]\.who\.issuer: is none of auth\.issuers$/);
    }
    for (const wrong of ['{ claim: {} }', '{ claim: { a: [b] } }', '{ claim: a }', '{ user: a, client: b }'])
      assert.equal((await problemsOf(rule(wrong))).length, 1, wrong);
  });

  it('are no matter of who administers', async () => {
    const [problem = ''] = await problemsOf(rule('anyone').replace('[pull]', '[admin]'));
    assert.match(
      problem,
      /actions\[0\]: must be pull, push or delete: who may administer says the key admin/,
    );
  });

  it('are wanted where an issuer is believed: anybody may have its tokens', async () => {
    const auth = 'auth: { issuers: [{ issuer: "https://gitlab.com", audience: cache }] }';
    assert.deepEqual((await loadText(auth)).warnings, [
      'auth.issuers: without access everybody pulls to whom https://gitlab.com gives a token for "cache"',
    ]);
    assert.deepEqual((await loadText(`${auth}\n${rule('{ group: ci }')}`)).warnings, []);
  });

  it('are about tokens whose keys nobody between could make', async () => {
    const warnings = async (issuer: string): Promise<readonly string[]> =>
      (await loadText(`auth: { issuers: [${issuer}] }\n${rule('{ group: ci }')}`)).warnings;
    for (const url of ['http://127.0.0.1:1', 'http://localhost', 'http://[::1]:1', 'https://idp.test'])
      assert.deepEqual(await warnings(`{ issuer: "${url}", audience: cache }`), [], url);
    assert.deepEqual(await warnings('{ issuer: "http://idp.test", audience: cache, keyFile: key.pem }'), []);
    for (const issuer of [
      '{ issuer: "http://idp.test", audience: cache }',
      // A name, wherever it leads to.
      '{ issuer: "http://127.idp.test", audience: cache }',
      '{ issuer: "https://idp.test", audience: cache, jwksUrl: "http://idp.test/keys" }',
    ])
      assert.match((await warnings(issuer)).join(), /^auth\.issuers: the keys of .* come over plain HTTP/);
  });

  it('read the names of one issuer by one claim', async () => {
    const one = '{ issuer: "https://a.test", audience: cache }';
    const other = '{ issuer: "https://a.test", audience: other, subjectClaim: email }';
    const [problem = '', ...more] = await problemsOf(`auth: { issuers: [${one}, ${other}] }`);
    assert.match(
      problem,
      /auth\.issuers\[1\]\.subjectClaim: is another than that of the same issuer before it$/,
    );
    assert.deepEqual(more, []);
  });

  it('are about repositories, and not about tags: a port is none', async () => {
    assert.deepEqual(await problemsOf(rule('anyone', '"docker.io/**:*-dev"')), [
      'config.yaml:1:49: access[0].repositories[0]: is a glob of names: tags are a matter of policy',
    ]);
    assert.deepEqual(await problemsOf(rule('anyone', '"a.io:5000/**"')), []);
  });

  it('say who may push, whatever a hosted repository says', async () => {
    const { warnings } = await loadText(`${rule('anyone')}\nhosted: [{ repositories: [a], open: true }]`);
    assert.deepEqual(warnings, ['hosted: open has no effect beside access and auth, which say who may push']);
  });
});

describe('a server that counts for several', () => {
  it('is somewhere, and counts for a limit', async () => {
    assert.deepEqual(await problemsOf('storage: { coordination: { kind: redis } }'), [
      'config.yaml:1:34: storage.coordination.kind: redis needs urlFromEnv or urlFile',
    ]);
    const text = 'storage: { coordination: { kind: redis, urlFromEnv: REDIS } }';
    const env = { REDIS: 'redis://127.0.0.1' };
    assert.deepEqual((await loadText(text, { env })).warnings, [
      'storage.coordination has no effect without rateLimit',
    ]);
    assert.deepEqual((await loadText(`${text}\nrateLimit: { requests: 1, per: 1m }`, { env })).warnings, []);
  });
});
