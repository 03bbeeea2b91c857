import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

/** More than have a place at a time while they are stored. */
const many = 400;
const layer = Buffer.from(bytes(300_000));

async function appUnderTest() {
  const directory = await temporaryDirectory();
  const upstream = await FakeUpstream.start();
  const images = ['team/one', 'team/other'].map((name) =>
    putImage(upstream.content, upstream.repository(name), 'v1', [layer]),
  );
  const app = await runApp({
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: directory.path,
    cache: { complete: false },
  });
  const index = new SqliteDatabase(join(directory.path, 'v1/index-3.sqlite'));
  const layers = new Map<string, string>();
  const digest = images[0]?.layers[0]?.digest ?? '';
  return {
    index,
    digest,
    /** So many images; their tags. */
    push(count: number): readonly string[] {
      const names = Array.from({ length: count }, (_, at) => `v${at + 2}`);
      for (const [at, name] of names.entries()) {
        const image = putImage(upstream.content, upstream.repository('team/one'), name, [bytes(1000, at)]);
        layers.set(name, image.layers[0]?.digest ?? '');
      }
      return names;
    },
    layerOf: (tag: string) => layers.get(tag) ?? '',
    v1: join(directory.path, 'v1'),
    get: async (name: string, what: string) => {
      const got = await ask(app.server, `/v2/up/team/${name}/${what}`);
      assert.equal(got.status, 200);
      return got;
    },
    stop: async () => await app.stop(),
    linked: () => {
      const rows = index.prepare<[string], { repository: string }>(
        `select r.name as repository from links l join repositories r on r.id = l.repository
         join contents c on c.id = l.content where c.digest = ? and c.stored_at is not null order by r.name`,
      );
      return rows.all(digest).map(({ repository }) => repository.slice(repository.indexOf('/') + 1));
    },
    async [Symbol.asyncDispose]() {
      index.close();
      await app[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

describe('an index that another process has locked', () => {
  it('keeps no client waiting, and learns afterwards what was pulled meanwhile', async () => {
    await using it = await appUnderTest();
    it.index.exec('begin immediate');
    await it.get('one', 'manifests/v1');
    const cold = await it.get('one', `blobs/${it.digest}`);
    assert.ok(cold.body.equals(layer));
    // What the first has brought is linked for the second when upstream has said that it owns it too.
    const shared = await it.get('other', `blobs/${it.digest}`);
    assert.ok(shared.body.equals(layer));
    assert.deepEqual(it.linked(), []);
    it.index.exec('rollback');
    await it.stop();
    assert.deepEqual(it.linked(), ['team/one', 'team/other']);
    assert.equal(it.index.prepare('select tag from tags').all().length, 1);
  });

  it('keeps nobody waiting, however many come, and has in the end all that came', async () => {
    await using it = await appUnderTest();
    const tags = it.push(many);
    it.index.exec('begin immediate');
    await Promise.all(tags.map(async (tag) => await it.get('one', `manifests/${tag}`)));
    await Promise.all(tags.map(async (tag) => await it.get('one', `blobs/${it.layerOf(tag)}`)));
    assert.equal(it.index.prepare('select count(*) from tags').pluck().get(), 0);
    it.index.exec('rollback');
    await it.stop();
    assert.equal(it.index.prepare('select count(*) from tags').pluck().get(), many);
    assert.equal(it.index.prepare('select count(*) from links').pluck().get(), many);
  });

  it('keeps no client waiting for what was lost to be forgotten', async () => {
    await using it = await appUnderTest();
    await it.get('one', `blobs/${it.digest}`);
    const giveUpAt = Date.now() + 10_000;
    while (it.linked().length === 0) {
      assert.ok(Date.now() < giveUpAt, 'it is not stored');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    it.index.exec('begin immediate');
    await rm(join(it.v1, 'blobs/sha256', it.digest.slice('sha256:'.length)));
    const again = await it.get('one', `blobs/${it.digest}`);
    assert.ok(again.body.equals(layer));
    it.index.exec('rollback');
    await it.stop();
    assert.deepEqual(it.linked(), ['team/one']);
  });
});
