import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '#src/config/load.ts';

async function problemOf(flags: object): Promise<string> {
  try {
    await loadConfig({ flags, env: {} });
    return '';
  } catch (error) {
    return String(error);
  }
}

describe('patterns of what lives here', () => {
  it('are of names without a host, a port or a tag', async () => {
    assert.equal(await problemOf({ hosted: [{ repositories: ['test', 'apps/**', '*'] }] }), '');
    for (const glob of ['docker.io/**', 'localhost/x', 'test:7.0.0', 'cache:8080/x'])
      assert.match(await problemOf({ hosted: [{ repositories: [glob] }] }), /hosted\[0\]\.repositories\[0\]/);
  });

  it('begin with no alias of a registry, which would have their names', async () => {
    const registries = [{ name: 'docker.io', alias: 'hub' }];
    assert.match(
      await problemOf({ registries, hosted: [{ repositories: ['test', 'hub/apps/**'] }] }),
      /hosted\[0\]\.repositories\[1\].*hub is the alias/,
    );
    assert.equal(await problemOf({ registries, hosted: [{ repositories: ['hub', '**'] }] }), '');
  });

  it('are of no registry that is called as what lives here is inside', async () => {
    assert.match(await problemOf({ registries: [{ name: 'hosted.invalid' }] }), /registries\[0\]\.name/);
    assert.match(await problemOf({ defaultNs: 'hosted.invalid' }), /defaultNs/);
  });
});
