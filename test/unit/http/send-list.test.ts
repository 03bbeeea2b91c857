import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { largeAnswers } from '#src/base/room.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const path = '/v2/docker.io/library/alpine';
const subject = sha256(Buffer.from('subject'));

/** A registry of so many tags, in no order, and so many referrers with texts of many bytes a character. */
function registryOf(count: number) {
  const tags = Array.from({ length: count }, (_, at) => parseTag(`t${(at * 7919) % count}`));
  const referrers = tags.map((tag) => ({
    mediaType: ociManifest,
    digest: sha256(Buffer.from(tag)),
    size: 1,
    artifactType: 'application/a',
    annotations: { 'org.example.title': `„${tag}“ 中文` },
  }));
  const registry = Object.assign(new MemoryRegistry(), {
    listTags: async () => ({ tags, hasMore: false }),
    listReferrers: async () => ({ referrers }),
  });
  return { registry, tags, referrers };
}

/** How many values were written as JSON; a mock of the test runner would keep them all. */
function countingWrites(t: TestContext): () => number {
  const { stringify } = JSON;
  let count = 0;
  JSON.stringify = (...args: [unknown]) => {
    count += 1;
    return stringify(...args);
  };
  t.after(() => {
    JSON.stringify = stringify;
  });
  return () => count;
}

/** More than a connection takes by itself. */
function hugeList() {
  const tags = Array.from({ length: 100_000 }, (_, at) => parseTag(`t${at}`.padEnd(120, 'x'))).toSorted();
  const registry = Object.assign(new MemoryRegistry(), { listTags: async () => ({ tags, hasMore: false }) });
  return { registry };
}

describe('a list that is answered', () => {
  for (const count of [0, 1, 10, 20_011]) {
    it(`is one JSON text of its length, with ${count} entries as with few`, async () => {
      const { registry, tags, referrers } = registryOf(count);
      await using server = await serveRegistry(registry);
      for (const [what, want, type] of [
        ['tags/list', { name: 'library/alpine', tags: tags.toSorted() }, 'application/json'],
        [`referrers/${subject}`, { schemaVersion: 2, mediaType: ociIndex, manifests: referrers }, ociIndex],
      ] as const) {
        const { status, headers, body } = await ask(server, `${path}/${what}`);
        assert.equal(body.toString(), JSON.stringify(want));
        assert.deepEqual(
          [status, headers['content-type'], headers['content-length']],
          [200, type, String(body.length)],
        );
        const head = await ask(server, `${path}/${what}`, { method: 'HEAD' });
        assert.deepEqual(
          [head.status, head.headers['content-length'], head.body.length],
          [200, String(body.length), 0],
        );
      }
    });
  }

  it('is written once for all who are sent it at a time, sorted or filtered as it may be', async (t) => {
    const { registry } = registryOf(20_011);
    let [come, all] = [0, gate()];
    const together = async <List>(list: () => Promise<List>): Promise<List> => {
      come -= 1;
      if (come === 0) all.open();
      await all.wait();
      return await list();
    };
    const { listTags, listReferrers } = registry;
    registry.listTags = async () => await together(listTags);
    registry.listReferrers = async () => await together(listReferrers);
    await using server = await serveRegistry(registry);
    const written = countingWrites(t);
    /** How many entries are written while so many clients are answered who come together. */
    const entries = async (what: string, clients: number): Promise<number> => {
      [come, all] = [clients, gate()];
      const before = written();
      await Promise.all(Array.from({ length: clients }, async () => await ask(server, `${path}/${what}`)));
      return written() - before;
    };
    const filtered = `referrers/${subject}?artifactType=application%2Fa`;
    for (const what of ['tags/list', `referrers/${subject}`, filtered]) {
      const one = await entries(what, 1);
      const many = await entries(what, 8);
      assert.ok(many < one + 200, `${what}: ${many} for eight, ${one} for one`);
    }
  });

  it('is broken off where its reader takes nothing while others wait for memory, and no sooner', {
    timeout: 60_000,
  }, async () => {
    const { registry } = hugeList();
    const clock = new FakeClock();
    await using server = await serveRegistry(registry, { headLimit: { clock, milliseconds: 20_000 } });
    const reader = connect({ host: '127.0.0.1', port: server.port });
    reader.on('error', () => undefined);
    const closed = new Promise((resolve) => reader.once('close', resolve));
    reader.write(`GET ${path}/tags/list HTTP/1.1\r\nHost: x\r\n\r\n`);
    await new Promise((resolve) => reader.once('readable', resolve));
    // What the kernel takes is not yet all.
    for (let turns = 0; turns < 200; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    const taken = largeAnswers.taken;
    assert.ok(taken > 0);
    for (let times = 0; times < 3; times += 1) await clock.advance(10_000);
    assert.equal(largeAnswers.taken, taken);
    const leaving = new AbortController();
    const waiting = largeAnswers.take('another', 1e12, 0, leaving.signal);
    await clock.advance(10_000);
    while (largeAnswers.taken === taken) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await waiting, true);
    largeAnswers.giveBack('another', 1e12);
    reader.resume();
    await closed;
    assert.equal(largeAnswers.taken, 0);
  });
});
