import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { problemsOf } from '#test/fakes/config-text.ts';

/** What is said of the only mistake in these lines, without its place. */
async function hintOn(...lines: string[]): Promise<string> {
  const [problem = '', ...more] = await problemsOf(lines.join('\n'));
  assert.deepEqual(more, []);
  return problem.replace(/^config\.yaml:\d+:\d+: /, '');
}

describe('a key at a wrong level', () => {
  const registry = ['registries:', '  - name: a.io'];
  const cases: [what: string, lines: string[], hint: string][] = [
    ['belongs into a group', ['freshness: 5m'], 'freshness: unknown key; it belongs below cache'],
    ['belongs into a registry', ['alias: a'], 'alias: unknown key; it belongs below registries[]'],
    [
      'belongs deep into a registry',
      ['user: a'],
      'user: unknown key; it belongs below registries[].auth or admin',
    ],
    [
      'belongs deeper into this registry, and not into an account of it',
      [...registry, '    user: a'],
      'registries[0].user: unknown key; it belongs below registries[0].auth',
    ],
    [
      'belongs into one of two',
      [...registry, '    ca: a'],
      'registries[0].ca: unknown key; it belongs below registries[0].tls or registries[0].upstream',
    ],
    [
      'belongs beside the group it is in',
      [...registry, '    auth: { tls: { ca: a } }'],
      'registries[0].auth.tls: unknown key; it belongs below registries[0]',
    ],
    [
      'belongs at the top level',
      ['cache: { port: 1 }'],
      'cache.port: unknown key; it belongs at the top level',
    ],
    [
      'is spelled as it is there',
      ['Freshness: 5m'],
      'Freshness: unknown key; did you mean "freshness" below cache?',
    ],
  ];
  for (const [what, lines, hint] of cases) {
    it(what, async () => assert.equal(await hintOn(...lines), hint));
  }

  it('is not sent to what the server does not start with', async () => {
    assert.equal(await hintOn('cache: { blobs: {} }'), 'cache.blobs: unknown key');
  });
});

describe('a key by the name that it has elsewhere', () => {
  it('is told by ours, here or where it belongs', async () => {
    assert.equal(
      await hintOn('registries:', '  - name: a.io', '    mirrors: []'),
      'registries[0].mirrors: unknown key; did you mean "endpoints"?',
    );
    assert.equal(
      await hintOn('registries:', '  - name: a.io', '    username: x'),
      'registries[0].username: unknown key; did you mean "user" below registries[0].auth?',
    );
    assert.equal(await hintOn('ttl: 5m'), 'ttl: unknown key; did you mean "freshness" below cache?');
  });

  it('is what it says where we have it too', async () => {
    assert.deepEqual(await problemsOf('host: 127.0.0.1'), []);
  });
});
