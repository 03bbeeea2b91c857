import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { problemsOf } from '#test/fakes/config-text.ts';

describe('patterns of what lives here', () => {
  it('are of names without a host, a port or a tag', async () => {
    assert.deepEqual(await problemsOf('hosted: [{ repositories: [test, "apps/**", "*"] }]'), []);
    for (const glob of ['docker.io/**', 'localhost/x', 'test:7.0.0', 'cache:8080/x']) {
      const [problem, ...more] = await problemsOf(`hosted: [{ repositories: [test, "${glob}"] }]`);
      assert.deepEqual(more, []);
      assert.match(problem ?? '', /^config\.yaml:1:\d+: hosted\[0\]\.repositories\[1\]: /);
    }
  });

  it('begin with no alias of a registry, which would have their names', async () => {
    const registries = 'registries: [{ name: docker.io, alias: hub }]';
    assert.deepEqual(await problemsOf(`${registries}\nhosted: [{ repositories: [hub, "**"] }]`), []);
    const [problem] = await problemsOf(`${registries}\nhosted: [{ repositories: [test, "hub/apps/**"] }]`);
    assert.match(problem ?? '', /hosted\[0\]\.repositories\[1\]: hub is the alias of a registry/);
  });

  it('are of no registry that is called as what lives here is inside', async () => {
    assert.match(
      (await problemsOf('registries: [{ name: hosted.invalid }]')).join('\n'),
      /registries\[0\]\.name/,
    );
    assert.match((await problemsOf('defaultNs: hosted.invalid')).join('\n'), /defaultNs/);
  });
});
