import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nameInUrls } from '#src/app/name-in-urls.ts';
import { targetSettings } from '#src/app/target-settings.ts';
import { targetOf } from '#src/http/target.ts';
import { judgedName } from '#src/oci/judged-name.ts';
import { hostedHost, parseRegistryHost, repositoryName } from '#src/oci/reference.ts';
import { loadText } from '#test/fakes/config-text.ts';

const text = `
registries:
  - { name: "registry.inner:5000", alias: inner }
  - { name: named, alias: short }
  - { name: team }
hosted: [{ repositories: ["team/**"] }]
defaultNs: docker.io
`;

describe('the name of a repository in URLs and scopes', () => {
  it('means that repository again, and no other that lives here or elsewhere', async () => {
    const { config } = await loadText(text);
    const nameOf = nameInUrls(config);
    const settings = targetSettings(config);
    for (const [host, expected] of [
      ['quay.io', 'quay.io/a'],
      ['localhost', 'localhost/a'],
      ['registry.inner:5000', 'inner/a'],
      ['other.inner:5000', 'other.inner:5000/a'],
      ['named', 'short/a'],
      ['team', 'team:443/a'],
    ] as const) {
      const repository = repositoryName(parseRegistryHost(host), 'a');
      const name = nameOf(repository);
      assert.equal(name, expected);
      const meant = targetOf(name, { header: undefined, ns: undefined }, settings);
      assert.equal(judgedName(meant), judgedName(repository));
    }
    const here = repositoryName(hostedHost, 'team/a');
    assert.equal(nameOf(here), 'team/a');
    assert.equal(targetOf('team/a', { header: undefined, ns: undefined }, settings), here);
  });
});
