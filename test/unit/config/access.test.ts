import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadText, problemsOf } from '#test/fakes/config-text.ts';

const rule = (who: string, repositories = '"**"') =>
  `access: [{ name: x, who: ${who}, repositories: [${repositories}], actions: [pull] }]`;

describe('rules of access, as they are configured', () => {
  it('are about anyone, nobody in particular, a user, a group, a certificate, addresses', async () => {
    for (const who of ['anyone', 'anonymous', '{ certificate: "node-*" }', '{ cidr: 10.0.0.0/8 }'])
      assert.deepEqual((await loadText(rule(who))).warnings, [], who);
    assert.deepEqual(await problemsOf(rule('everyone')), [
      'config.yaml:1:26: access[0].who: must be anyone, anonymous, or a mapping with one of user, group, certificate and cidr',
    ]);
  });

  it('about users are about nobody where nobody is asked, which is said', async () => {
    for (const who of ['{ user: ann }', '{ group: ci }'])
      assert.deepEqual((await loadText(rule(who))).warnings, [
        'access: the rule "x" is about nobody, since no client is known without auth',
      ]);
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
