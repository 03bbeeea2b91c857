import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadText } from '#test/fakes/config-text.ts';

/** The registries that the warnings of a configuration are about. */
async function warnedOf(yaml: string): Promise<string[]> {
  const { warnings } = await loadText(yaml);
  return warnings.flatMap((warning) => / (\S+) has a port and no alias/.exec(warning)?.[1] ?? []);
}

describe('a registry with a port', () => {
  const nameless = '{ name: "registry.internal:5000" }';

  it('and without an alias is warned about: its images have no name that clients take', async () => {
    assert.deepEqual(await warnedOf(`registries: [${nameless}, { name: "[::1]:80" }, { name: ghcr.io }]`), [
      'registry.internal:5000',
      '[::1]:80',
    ]);
  });

  it('needs no alias where nobody has to name it', async () => {
    for (const yaml of [
      'registries: [{ name: "registry.internal:5000", alias: internal }]',
      `defaultNs: "registry.internal:5000"\nregistries: [${nameless}]`,
      `registries: [${nameless}, { name: docker.io, endpoints: ["https://registry.internal:5000/hub"] }]`,
    ])
      assert.deepEqual(await warnedOf(yaml), [], yaml);
  });
});
