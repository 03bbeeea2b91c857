import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pinCached } from '#src/app/pins.ts';
import { verifyStore } from '#src/app/verify.ts';
import { loadConfig } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import {
  type Digest,
  parseRegistryHost,
  parseTag,
  type RepositoryName,
  repositoryName,
} from '#src/oci/reference.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const layers = [Buffer.from(bytes(300_000, 1)), Buffer.from(bytes(200_000, 2)), Buffer.from(bytes(1000, 3))];
const indexName = 'index-3.sqlite';

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUpAt, 'it never is so');
    await sleep(20);
  }
}

/** What a server has left that is stopped: an image by its tag, another by its digest alone, what refers to that; and servers behind an air gap. */
async function left() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const v1 = join(directory.path, 'v1');
  await using upstream = await FakeUpstream.start();
  const repository = upstream.repository('team/app');
  const tagged = putImage(upstream.content, repository, 'v1', layers.slice(0, 1));
  const bare = putImage(upstream.content, repository, 'v2', layers.slice(1, 2));
  const signature = putSignature(upstream, repository, bare.manifest.digest);
  const registries = [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }];
  const paths = {
    tagged: ['manifests/v1', ...pathsOf(tagged)],
    bare: pathsOf(bare),
    signature: [`manifests/${signature}`, `blobs/${sha256(layers[2] ?? Buffer.alloc(0))}`],
  };
  const statuses = async (server: { readonly port: number }, which: readonly string[]): Promise<number[]> =>
    await Promise.all(which.map(async (path) => (await ask(server, `/v2/up/team/app/${path}`)).status));
  {
    await using app = await runApp({ registries, imagePath: directory.path, cache: { complete: false } });
    for (const which of Object.values(paths))
      assert.deepEqual(new Set(await statuses(app.server, which)), new Set([200]));
    await app.stop();
  }
  const log = new LogLines();
  const fileOf = (digest: Digest): string => join(v1, 'blobs/sha256', digest.slice('sha256:'.length));
  const moved = stack.move();
  return {
    ...{
      directory,
      v1,
      repository: repositoryName(parseRegistryHost(upstream.host), 'team/app'),
      tagged,
      bare,
      signature,
      paths,
      statuses,
      log,
      fileOf,
    },
    index: join(v1, indexName),
    start: async (clock?: FakeClock) =>
      await runApp(
        { registries, imagePath: directory.path, airGapped: true },
        { log, ...(clock && { clock }) },
      ),
    verify: async (clock: FakeClock) => {
      const settings = { registries, imagePath: directory.path, airGapped: true };
      const { config } = await loadConfig({ flags: { host: '127.0.0.1', ...settings }, env: {} });
      const { signal } = new AbortController();
      const order = { rate: 0, repairs: false, rebuilds: true };
      return verifyStore(config, { version: '0', env: {}, log, signal, clock, ...order });
    },
    pins: async (pattern: RegExp): Promise<void> => {
      for await (const _ of pinCached(directory.path, {
        matches: (name) => pattern.test(name),
        isPinned: true,
      }));
    },
    forgotten: async (): Promise<void> => {
      for (const suffix of ['', '-wal', '-shm']) await rm(join(v1, `${indexName}${suffix}`), { force: true });
    },
    isRebuilt: async (): Promise<boolean> =>
      !(await readdir(v1)).some((name) => name === 'rebuild.json' || name === 'rebuilt.json'),
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

function pathsOf({ manifest, config, layers: its }: ReturnType<typeof putImage>): string[] {
  return [`manifests/${manifest.digest}`, ...[config, ...its].map(({ digest }) => `blobs/${digest}`)];
}

function putSignature(upstream: FakeUpstream, repository: RepositoryName, subject: Digest): Digest {
  const { content } = upstream;
  const layer = content.putBlob(repository, layers[2] ?? Buffer.alloc(0));
  const manifest = {
    ...{ schemaVersion: 2, mediaType: ociManifest, config: layer, layers: [layer] },
    subject: { mediaType: ociManifest, digest: subject, size: 1 },
  };
  return content.putManifest(
    repository,
    parseTag('signature'),
    Buffer.from(JSON.stringify(manifest)),
    ociManifest,
  ).digest;
}

describe('an index that is made anew', () => {
  const losses: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
    damaged: async (path) => await writeFile(path, 'hello'),
    empty: async (path) => await writeFile(path, ''),
    gone: async () => {},
  };
  for (const [what, happens] of Object.entries(losses)) {
    it(`knows what was pulled by tag, by digest alone, and what refers to that: it was ${what}`, async () => {
      await using it = await left();
      await it.forgotten();
      await happens(it.index);
      await using app = await it.start();
      await until(it.isRebuilt);
      for (const which of Object.values(it.paths))
        assert.deepEqual(new Set(await it.statuses(app.server, which)), new Set([200]));
      const referrers = await ask(app.server, `/v2/up/team/app/referrers/${it.bare.manifest.digest}`);
      assert.ok(referrers.body.toString().includes(it.signature));
      const foreign = await ask(app.server, `/v2/up/team/other/${it.paths.bare[0]}`);
      assert.equal(foreign.status, 404);
    });
  }

  it('has the pins, those too that were made where no server ran', async () => {
    await using it = await left();
    await it.pins(/:v1$/);
    await it.forgotten();
    await writeFile(it.index, 'hello');
    await using _ = await it.start();
    await until(it.isRebuilt);
    await using index = await SqliteMetadataStore.open(it.v1);
    const node = await index.graph.node(it.repository, it.tagged.manifest.digest);
    assert.deepEqual(node?.tags, [{ tag: 'v1', isPinned: true, goneAt: undefined }]);
  });

  it('counts what it knows as the one before did', async () => {
    await using it = await left();
    const totals = async () => {
      await using index = await SqliteMetadataStore.open(it.v1);
      return await index.inventory.totals();
    };
    const before = await totals();
    await it.forgotten();
    await using _ = await it.start();
    await until(it.isRebuilt);
    assert.deepEqual(await totals(), before);
  });

  it('leaves no file behind that no image leads to, but those that came just now', async () => {
    await using it = await left();
    const [old, fresh, text] = [Buffer.from('old'), Buffer.from('fresh'), Buffer.from('text')];
    for (const stray of [old, fresh]) await writeFile(it.fileOf(sha256(stray)), stray);
    await writeFile(join(it.v1, 'blobs/sha256/notes.txt'), text);
    await it.forgotten();
    const clock = new FakeClock();
    clock.set(Date.now() + 3_600_000);
    await utimes(it.fileOf(sha256(fresh)), new Date(clock.now()), new Date(clock.now()));
    await using app = await it.start(clock);
    await until(async () => it.log.at('warn').some((line) => line.includes('no image leads to are removed')));
    const files = await readdir(join(it.v1, 'blobs/sha256'));
    const isThere = (stray: Buffer): boolean => files.includes(sha256(stray).slice('sha256:'.length));
    assert.deepEqual([isThere(old), isThere(fresh), files.includes('notes.txt')], [false, true, true]);
    for (const which of Object.values(it.paths))
      assert.deepEqual(new Set(await it.statuses(app.server, which)), new Set([200]));
    await until(async () => {
      await clock.advance(600_000);
      return !(await readdir(join(it.v1, 'blobs/sha256'))).includes(sha256(fresh).slice('sha256:'.length));
    });
  });

  it('has a file that came just now looked at again by the next start', async () => {
    await using it = await left();
    const fresh = Buffer.from('fresh');
    await writeFile(it.fileOf(sha256(fresh)), fresh);
    const isThere = async (): Promise<boolean> =>
      (await readdir(join(it.v1, 'blobs/sha256'))).includes(sha256(fresh).slice('sha256:'.length));
    await it.forgotten();
    {
      await using _ = await it.start();
      await until(it.isRebuilt);
    }
    assert.ok(await isThere());
    const later = new FakeClock();
    later.set(Date.now() + 1_200_000);
    await using app = await it.start(later);
    await until(async () => {
      await later.advance(1000);
      return !(await isThere());
    });
    for (const which of Object.values(it.paths))
      assert.deepEqual(new Set(await it.statuses(app.server, which)), new Set([200]));
  });

  const doubts: Readonly<Record<string, (it: Awaited<ReturnType<typeof left>>) => Promise<unknown>>> = {
    'the list ends in the middle': async ({ v1 }) => {
      const list = await readFile(join(v1, 'index.json'), 'utf8');
      await writeFile(join(v1, 'index.json'), list.slice(0, -4));
    },
    'the list is one of an earlier release': async ({ v1 }) => {
      const list = await readFile(join(v1, 'index.json'), 'utf8');
      await writeFile(join(v1, 'index.json'), list.replace('"annotations":{"ociregistry.names":"all"},', ''));
    },
    'a manifest cannot be read for an hour': async ({ fileOf, bare: { manifest } }) => {
      await rm(fileOf(manifest.digest));
      await mkdir(fileOf(manifest.digest));
    },
  };
  for (const [what, happens] of Object.entries(doubts)) {
    it(`removes nothing where not all could be made known: ${what}`, async () => {
      await using it = await left();
      const stray = Buffer.from('stray');
      await writeFile(it.fileOf(sha256(stray)), stray);
      await it.forgotten();
      await happens(it);
      const clock = new FakeClock();
      clock.set(Date.now() + 3_600_000);
      await using _ = await it.start(clock);
      await until(async () => {
        await clock.advance(600_000);
        return it.log.at('warn').some((line) => line.includes('no image leads to stay'));
      });
      await until(it.isRebuilt);
      assert.equal((await readFile(it.fileOf(sha256(stray)))).toString(), 'stray');
      for (const { digest } of it.bare.layers) assert.ok((await readFile(it.fileOf(digest))).length > 0);
    });
  }

  for (const by of ['the server', 'the command'])
    it(`has an image whose manifest could not be read when that can be, and removes nothing before: by ${by}`, async () => {
      await using it = await left();
      const stray = Buffer.from('stray');
      await writeFile(it.fileOf(sha256(stray)), stray);
      const isThere = async (): Promise<boolean> =>
        (await readdir(join(it.v1, 'blobs/sha256'))).includes(sha256(stray).slice('sha256:'.length));
      await it.forgotten();
      const path = it.fileOf(it.bare.manifest.digest);
      const manifest = await readFile(path);
      await rm(path);
      await mkdir(path);
      const clock = new FakeClock();
      clock.set(Date.now() + 3_600_000);
      if (by === 'the command') await Array.fromAsync(await it.verify(clock));
      await using app = await it.start(clock);
      const isTold = (): boolean =>
        it.log.at('error').some((line) => line.includes('of 1 images cannot be read'));
      await until(async () => isTold());
      assert.ok((await readdir(it.v1)).includes('rebuild.json'));
      for (const which of [it.paths.tagged, it.paths.signature])
        assert.deepEqual(new Set(await it.statuses(app.server, which)), new Set([200]));
      assert.ok(await isThere());
      await rm(path, { recursive: true });
      await writeFile(path, manifest);
      await until(async () => {
        await clock.advance(1000);
        return await it.isRebuilt();
      });
      assert.deepEqual(new Set(await it.statuses(app.server, it.paths.bare)), new Set([200]));
      assert.equal(await isThere(), false);
    });

  it('is made by the command as well, which removes what is nobody’s, and has nothing to do the next time', async () => {
    await using it = await left();
    await it.forgotten();
    const clock = new FakeClock();
    clock.set(Date.now() + 3_600_000);
    const stray = Buffer.from('stray');
    await writeFile(it.fileOf(sha256(stray)), stray);
    const verify = async () => await Array.fromAsync(await it.verify(clock));
    const found = await verify();
    assert.deepEqual(new Set(found.map(({ verdict }) => verdict)), new Set(['right']));
    assert.equal(found.length, 8);
    assert.ok(!(await readdir(join(it.v1, 'blobs/sha256'))).includes(sha256(stray).slice('sha256:'.length)));
    assert.equal((await verify()).length, 8);
  });
});
