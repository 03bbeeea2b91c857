import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import type { App } from '#src/app/app.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const layer = Buffer.from(bytes(300_000));

async function cached() {
  const directory = await temporaryDirectory();
  const upstream = await FakeUpstream.start();
  const image = putImage(upstream.content, upstream.repository('team/app'), 'v1', [layer]);
  const app = await runApp({
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: directory.path,
    cache: { complete: false },
  });
  const digest = image.layers[0]?.digest ?? '';
  const blob = `/v2/up/team/app/blobs/${digest}`;
  await untilHit(app, blob);
  const asked = () => upstream.calls.filter((call) => call === `GET /v2/team/app/blobs/${digest}`).length;
  return {
    app,
    asked,
    blob,
    manifest: image.manifest.digest,
    v1: join(directory.path, 'v1'),
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Right every time, and in the end from the file: a HEAD is a hit only there. */
async function untilHit(app: App, blob: string): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  for (;;) {
    const got = await ask(app.server, blob);
    assert.equal(got.status, 200);
    assert.ok(got.body.equals(layer));
    const { headers } = await ask(app.server, blob, { method: 'HEAD' });
    if (headers['cache-status'] === 'ociregistry; hit') return;
    assert.ok(Date.now() < giveUpAt, 'it is not stored');
  }
}

function hexOf(path: string): string {
  return path.slice(path.lastIndexOf(':') + 1);
}

describe('a cache directory with which something happens while the server runs', () => {
  const faults: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
    'a directory in the place of a blob': async (file) => await mkdir(file),
    'a pipe in the place of a blob': async (file) => execFileSync('mkfifo', [file]),
    'a link to itself in the place of a blob': async (file) => await symlink(file, file),
  };
  for (const [what, happens] of Object.entries(faults)) {
    it(`serves, fetches again once, and has it then: ${what}`, async () => {
      await using it = await cached();
      const file = join(it.v1, 'blobs/sha256', hexOf(it.blob));
      await rm(file);
      await happens(file);
      const head = await ask(it.app.server, it.blob, { method: 'HEAD' });
      assert.equal(head.status, 200);
      await untilHit(it.app, it.blob);
      assert.equal(it.asked(), 2);
    });
  }

  for (const name of ['.', 'blobs', 'blobs/sha256', 'partial']) {
    it(`serves, and makes anew what was removed: ${name}`, async () => {
      await using it = await cached();
      await rm(join(it.v1, name), { recursive: true });
      await untilHit(it.app, it.blob);
      assert.equal(it.asked(), name === 'partial' ? 1 : 2);
      assert.equal((await ask(it.app.server, `/v2/up/team/app/manifests/${it.manifest}`)).status, 200);
    });
  }
});

describe('whether the server is ready', () => {
  async function readyAt(path: string): Promise<AsyncDisposable & { ask: () => ReturnType<typeof ask> }> {
    const free = await runApp({ imagePath: path });
    const health = free.server.port;
    await free.stop();
    const app = await runApp({ imagePath: path, health });
    return {
      ask: async () => await ask({ port: health }, '/readyz'),
      [Symbol.asyncDispose]: async () => await app[Symbol.asyncDispose](),
    };
  }

  it('is told by whether its cache can be used: not where it cannot be made, and again when it can', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'cache');
    await using ready = await readyAt(path);
    assert.deepEqual(JSON.parse((await ready.ask()).body.toString()), { status: 'ready' });
    await rm(path, { recursive: true });
    await writeFile(path, 'a file');
    const refused = await ready.ask();
    assert.equal(refused.status, 503);
    assert.match(
      refused.body.toString(),
      /"reason":"the cache directory cannot be used: ENOTDIR: not a directory/,
    );
    await rm(path);
    assert.equal((await ready.ask()).status, 200);
  });

  const others: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
    'a file': async (path) => await writeFile(path, 'a file', { mode: 0o755 }),
    'a pipe': async (path) => execFileSync('mkfifo', [path]),
    'a link to itself': async (path) => await symlink(path, path),
    'a link that leads nowhere': async (path) => await symlink('/nowhere', path),
  };
  for (const [what, happens] of Object.entries(others)) {
    it(`is not told by what lies in the place of its directories, which is put aside: ${what}`, async () => {
      await using directory = await temporaryDirectory();
      await using ready = await readyAt(directory.path);
      for (const name of ['v1/partial', 'v1/blobs/sha512', 'v1/blobs', 'v1']) {
        const path = join(directory.path, name);
        await rm(path, { recursive: true });
        await happens(path);
        assert.equal((await ready.ask()).status, 200, name);
        assert.ok((await stat(path)).isDirectory());
        const all = await readdir(dirname(path));
        assert.equal(all.filter((entry) => entry.startsWith(`${basename(path)}.aside-`)).length, 1);
      }
    });
  }

  it('is warned of an index that was removed: what it knows ends with the server', async () => {
    await using directory = await temporaryDirectory();
    await using ready = await readyAt(directory.path);
    await rm(join(directory.path, 'v1/index-3.sqlite'));
    const answer = await ready.ask();
    assert.equal(answer.status, 200);
    assert.match(answer.body.toString(), /"warning":".*index-3\.sqlite was removed or replaced/);
  });
});

describe('an image path that cannot be made', () => {
  it('is refused, and named, also where Node would try for ever', async () => {
    await using directory = await temporaryDirectory();
    const link = join(directory.path, 'link');
    await symlink(join(directory.path, 'nowhere'), link);
    await assert.rejects(
      runApp({ imagePath: '/proc/nothing/cache' }),
      /unable to verify image path: ENOENT.*\/proc/,
    );
    await assert.rejects(runApp({ imagePath: link }), /unable to verify image path: .*link is no directory/);
  });

  it('is refused where something else lies in the place of the cache, in a sentence', async () => {
    await using directory = await temporaryDirectory();
    execFileSync('mkfifo', [join(directory.path, 'v1')]);
    const refusal = /unable to verify image path: .*v1 is no directory/;
    await assert.rejects(runApp({ imagePath: directory.path }), refusal);
  });
});
