import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VerifiedFile } from '#src/app/verify.ts';
import { type VerifyOrder, verify } from '#src/cli/verify.ts';
import { VerifyReport } from '#src/cli/verify-report.ts';
import { loadConfig } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const layers = [Buffer.from(bytes(1_500_000)), Buffer.from(bytes(500_000, 2))];

/** A directory with an image, its registry, and the command over them. */
async function cached() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const image = putImage(upstream.content, upstream.repository('team/app'), 'v1', layers);
  const settings = {
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: directory.path,
  };
  const v1 = join(directory.path, 'v1');
  {
    await using app = await runApp(settings);
    const paths = ['manifests/v1', ...[image.config, ...image.layers].map(({ digest }) => `blobs/${digest}`)];
    for (const path of paths) assert.equal((await ask(app.server, `/v2/up/team/app/${path}`)).status, 200);
    const giveUpAt = Date.now() + 10_000;
    await using index = await SqliteMetadataStore.open(v1);
    while ((await index.listStored({ limit: 10 })).digests.length < 4) {
      assert.ok(Date.now() < giveUpAt, 'it is not stored');
      await sleep(20);
    }
    await app.stop();
  }
  const run = async (order: Partial<VerifyOrder> = {}, more: object = {}) => {
    const loaded = await loadConfig({
      flags: { host: '127.0.0.1', logLevel: 'error', ...settings, ...more },
      env: {},
    });
    let output = '';
    const stdout = { write: (text: string) => (output += text) };
    const stderr = { write() {} };
    const all = { rate: 0, repairs: false, rebuilds: false, output: 'text' as const, ...order };
    const ok = await verify(loaded, all, { version: '0', env: {}, stdout, stderr });
    return { ok, output };
  };
  const moved = stack.move();
  return {
    ...{ image, run, v1, name: `${upstream.host}/team/app` },
    fileOf: (digest: string): string => join(v1, 'blobs/sha256', digest.slice('sha256:'.length)),
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('ociregistry verify', () => {
  it('says that all is right, in a line, and succeeds', async () => {
    await using it = await cached();
    const { ok, output } = await it.run();
    assert.equal(ok, true);
    assert.match(output, /^checked 4 files, 2\.0 MB, in \d+\.\d s: all of them are right\n$/);
  });

  it('names what is wrong or missing, whose it is and where it is kept, and fails; once it is fetched again it succeeds', async () => {
    await using it = await cached();
    const [first, second] = it.image.layers;
    assert.ok(first && second);
    await writeFile(it.fileOf(first.digest), 'wrong');
    await rm(it.fileOf(second.digest));
    const { ok, output } = await it.run({}, { airGapped: true });
    assert.equal(ok, false);
    const [kept = ''] = await readdir(join(it.v1, 'quarantine'));
    const lines = output.trimEnd().split('\n');
    assert.ok(
      lines.includes(`WRONG ${first.digest} of ${it.name}, kept as ${join(it.v1, 'quarantine', kept)}`),
      output,
    );
    assert.ok(lines.includes(`MISSING ${second.digest} of ${it.name}`), output);
    assert.match(
      lines.at(-1) ?? '',
      /: 1 wrong, 1 missing, 0 unreadable; 0 of them are no loss or are here again$/,
    );
    for (const digest of [it.image.config.digest, it.image.manifest.digest])
      await writeFile(it.fileOf(digest), '{}');
    assert.match((await it.run({}, { airGapped: true })).output, /: 2 wrong, 2 missing, 0 unreadable/);
    // Both are lost by now, as what was found at first is.
    const again = await it.run({}, { airGapped: true });
    assert.equal(again.ok, false);
    assert.match(again.output, /: 0 wrong, 4 missing, 0 unreadable/);
    const repaired = await it.run({ repairs: true, output: 'json' });
    const { found, ok: isOk, missing } = JSON.parse(repaired.output);
    assert.deepEqual([repaired.ok, isOk, missing], [true, true, 4], repaired.output);
    for (const file of found as Record<string, unknown>[])
      assert.deepEqual(
        [file['verdict'], file['repaired'], file['repositories']],
        ['missing', true, [it.name]],
      );
    assert.match(
      (await it.run({}, { airGapped: true })).output,
      /^checked 4 files, .*all of them are right\n$/,
    );
  });
});

describe('the report of a check', () => {
  const digest = sha256(Buffer.from('x'));
  const owners = [{ repository: repository('docker.io/library/alpine'), as: 'blob' as const }];
  const isOk = (...files: Partial<VerifiedFile>[]): boolean => {
    const report = new VerifyReport(0);
    for (const file of files)
      report.add({ ...{ digest, verdict: 'right', size: 1, owners: [], isRepaired: false }, ...file });
    return report.isOk;
  };

  it('is good where what was wrong is nobody’s or was fetched again, and not where the disk did not give it', () => {
    assert.equal(isOk({}, { verdict: 'wrong' }, { verdict: 'wrong', owners, isRepaired: true }), true);
    assert.equal(isOk({ verdict: 'wrong', owners }), false);
    assert.equal(isOk({ verdict: 'missing', owners }, { verdict: 'wrong', owners, isRepaired: true }), false);
    assert.equal(isOk({ verdict: 'unreadable' }), false);
  });

  it('says who has brought again what was lost', () => {
    const lost = { digest, verdict: 'missing', size: 0, owners, isRepaired: true } as const;
    const lines = [lost, { ...lost, isByServer: true }].map((file) => new VerifyReport(0).add(file));
    assert.match(lines[0] ?? '', /library\/alpine, fetched again\n$/);
    assert.match(lines[1] ?? '', /library\/alpine, brought again by a server\n$/);
  });
});
