import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openCredentials } from '#src/config/open-credentials.ts';
import { loadText } from '#test/fakes/config-text.ts';

const withPassword = 'registries: [{ name: a.io, auth: { user: u, password: p } }]';

async function warningsOf(yaml: string): Promise<string[]> {
  return openCredentials((await loadText(yaml)).config);
}

describe('credentials that are open to whoever reaches the port', () => {
  it('are said, by the names of their registries', async () => {
    const registries = [
      '{ name: password.io, auth: { user: u, password: p } }',
      '{ name: token.io, auth: { token: { static: eA== } } }',
      '{ name: provider.io, auth: { token: { provider: ecr } } }',
      '{ name: certificate.io, tls: { cert: c, key: k } }',
      '{ name: anonymous.io }',
      '{ name: half.io, auth: { user: u } }',
    ];
    assert.deepEqual(await warningsOf(`port: 8081\nregistries: [${registries.join(', ')}]`), [
      'registries: pulls with the credentials of password.io, token.io, provider.io, certificate.io are open to all who reach port 8081 of 0.0.0.0, private images too: let only those reach it who may have them',
    ]);
  });

  it('are counted where they are many', async () => {
    const many = Array.from(
      { length: 8 },
      (_, n) => `{ name: r${n}.io, auth: { token: { provider: gcp } } }`,
    );
    const [warning = ''] = await warningsOf(`registries: [${many.join(', ')}]`);
    assert.match(warning, /of r0\.io, r1\.io, r2\.io, r3\.io, r4\.io and 3 more are open/);
  });

  it('are none without a credential, on loopback, where clients show a certificate, or where rules say who may', async () => {
    assert.deepEqual(await warningsOf('registries: [{ name: a.io }]'), []);
    assert.deepEqual(await warningsOf(`host: 127.0.0.1\n${withPassword}`), []);
    assert.deepEqual(await warningsOf(`access: []\n${withPassword}`), []);
    assert.deepEqual(await warningsOf(`host: "::1"\n${withPassword}`), []);
    const tls = 'serverTlsConfig: { cert: c, key: k, ca: a, clientAuth: verify }';
    assert.deepEqual(await warningsOf(`${tls}\n${withPassword}`), []);
    const door = 'listeners: [{ port: 1, serve: registry }, { port: 2, serve: files, directory: d }]';
    const [warning = '', ...more] = await warningsOf(`${tls}\n${door}\n${withPassword}`);
    assert.match(warning, /who reach port 1 of 0\.0\.0\.0/);
    assert.deepEqual(more, []);
  });
});
