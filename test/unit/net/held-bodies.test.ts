import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag } from '#src/oci/reference.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { content } from '#test/fakes/upstream-answers.ts';
import { on, stalledAfter } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const mebibyte = 1024 * 1024;
const page = `{"tags":["v1"],"padding":"${'x'.repeat(7 * mebibyte)}"}`;

/** An upstream whose lists have megabytes, the last of which come when the gate is opened. */
async function padding() {
  const made = await UpstreamUnderTest.start();
  putImage(made.upstream.content, made.name, 'v1', [bytes(10)]);
  const rest = gate();
  const list = on(/tags\/list/, () => content(page, 'application/json'));
  made.spoil(on(/tags\/list/, stalledAfter(page.length - 100, rest.wait)), list);
  return { made, rest };
}

describe('lists and manifests that are read', () => {
  it('are bounded in memory, of one registry, and what is small is not kept waiting for them', {
    timeout: 60_000,
  }, async () => {
    const { made, rest } = await padding();
    await using _ = made;
    const names = Array.from({ length: 8 }, (_unused, at) => made.upstream.repository(`team/app${at}`));
    let refused = 0;
    const lists = names.map(async (name) => {
      try {
        return (await made.registry.listTags(name)).tags;
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error;
        refused += 1;
        assert.deepEqual([error.status, error.headers['Retry-After']], [503, '1']);
        return undefined;
      }
    });
    while (refused < 5) await new Promise((resolve) => setImmediate(resolve));
    await made.registry.getManifest(made.name, parseTag('v1'));
    rest.open();
    const read = (await Promise.all(lists)).filter((tags) => tags !== undefined);
    assert.deepEqual(read, [[parseTag('v1')], [parseTag('v1')], [parseTag('v1')]]);
    // Of the registry itself it says nothing, and there is room again.
    assert.deepEqual((await made.registry.listTags(made.name)).tags, [parseTag('v1')]);
    assert.deepEqual(made.oddities, []);
  });
});
