import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PinCommand, pin } from '#src/cli/pin.ts';
import { type RefreshOrder, refresh } from '#src/cli/refresh.ts';
import { loadConfig } from '#src/config/load.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

interface Printed {
  readonly ok: boolean;
  readonly output: string;
  readonly errors: string;
}

type Run = (output: { stdout: PassThrough; stderr: { write(text: string): unknown } }) => Promise<boolean>;

async function printed(run: Run): Promise<Printed> {
  const stdout = new PassThrough();
  const all = text(stdout);
  let errors = '';
  const ok = await run({ stdout, stderr: { write: (line) => (errors += line) } });
  stdout.end();
  return { ok, output: await all, errors };
}

/** A server that has `team/app:v1` and `v2`, and its directory. */
async function serving() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const settings = {
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: directory.path,
    cache: { complete: false },
  };
  const app = stack.use(await runApp(settings));
  const put = (tag: string, seed: number) =>
    putImage(upstream.content, upstream.repository('team/app'), tag, [bytes(10, seed)]).manifest.digest;
  const digests = [put('v1', 1), put('v2', 2)];
  const digestAt = async (tag: string): Promise<unknown> =>
    (await ask(app.server, `/v2/up/team/app/manifests/${tag}`)).headers['docker-content-digest'];
  for (const tag of ['v1', 'v2']) await digestAt(tag);
  const pinned = async (order: Partial<PinCommand>): Promise<Printed> =>
    await printed(async (output) => {
      return await pin(directory.path, { pattern: '', isPinned: true, output: 'text', ...order }, output);
    });
  // What was served is known to the index a moment later.
  while ((await pinned({ isPinned: false })).output.split('\n').length < 3) await sleep(20);
  const refreshed = async (order: Partial<RefreshOrder>, flags: object = {}): Promise<Printed> => {
    const loaded = await loadConfig({ flags: { ...settings, ...flags }, env: {} });
    return await printed(
      async (output) =>
        await refresh(
          loaded,
          { pattern: '', output: 'text', ...order },
          { version: '0', env: {}, ...output },
        ),
    );
  };
  upstream.requests.length = 0;
  const moved = stack.move();
  return {
    ...{ upstream, digests, digestAt, put, pinned, refreshed, name: `${upstream.host}/team/app` },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('the commands pin and unpin', () => {
  it('change what matches, beside a server, and say what that was', async () => {
    await using made = await serving();
    const { pinned, name } = made;
    assert.deepEqual(await pinned({ pattern: ':v1$' }), {
      ...{ ok: true, output: `pinned ${name}:v1\n`, errors: '' },
    });
    const { output } = await pinned({ pattern: 'team', output: 'json' });
    assert.deepEqual(JSON.parse(output), [
      { reference: `${name}:v1`, pinned: true, changed: false },
      { reference: `${name}:v2`, pinned: true, changed: true },
    ]);
    assert.equal((await pinned({ pattern: ':v2', isPinned: false })).output, `unpinned ${name}:v2\n`);
  });

  it('fail where nothing matches, and make no index where there is none', async () => {
    await using made = await serving();
    const nothing = { ok: false, output: '', errors: 'no cached tag matches\n' };
    assert.deepEqual(await made.pinned({ pattern: 'none' }), nothing);
    await assert.rejects(made.pinned({ pattern: '(' }), /no regular expression/);
    await using directory = await temporaryDirectory();
    const order: PinCommand = { pattern: 'a', isPinned: true, output: 'text' };
    assert.deepEqual(await printed(async (output) => await pin(directory.path, order, output)), nothing);
    assert.equal(existsSync(join(directory.path, 'v1')), false);
  });
});

describe('the command refresh', () => {
  it('asks upstream where tags point, and the server gives what came within a second', async () => {
    await using made = await serving();
    const { upstream, digests, digestAt, put, refreshed, name } = made;
    const after = put('v1', 9);
    const lines = (await refreshed({ pattern: 'team/app' })).output.trimEnd().split('\n');
    assert.deepEqual(lines.toSorted(), [`moved ${name}:v1 ${after}`, `unchanged ${name}:v2 ${digests[1]}`]);
    assert.deepEqual(upstream.calls.toSorted(), [
      `GET /v2/team/app/manifests/${after}`,
      'HEAD /v2/team/app/manifests/v1',
      'HEAD /v2/team/app/manifests/v2',
    ]);
    const giveUpAt = Date.now() + 10_000;
    while ((await digestAt('v1')) !== after) {
      assert.ok(Date.now() < giveUpAt, 'the server has not noticed');
      await sleep(20);
    }
  });

  it('fails where upstream does, where nothing matches, and across an air gap', async () => {
    await using made = await serving();
    const { upstream, refreshed, name, digests } = made;
    upstream.faults.push(async ({ path }, next) =>
      path.endsWith('/v1') ? { status: 503, headers: {} } : await next(),
    );
    const { ok, output } = await refreshed({ pattern: 'app', output: 'json' });
    assert.equal(ok, false);
    const objects = JSON.parse(output) as { reference: string; outcome: string; digest: string }[];
    assert.partialDeepStrictEqual(
      objects.toSorted((a, b) => (a.reference < b.reference ? -1 : 1)),
      [
        { reference: `${name}:v1`, outcome: 'failed', digest: digests[0] },
        { reference: `${name}:v2`, outcome: 'unchanged', digest: digests[1] },
      ],
    );
    assert.deepEqual(await refreshed({ pattern: 'none' }), {
      ...{ ok: false, output: '', errors: 'no cached tag matches\n' },
    });
    upstream.requests.length = 0;
    await assert.rejects(refreshed({ pattern: 'app' }, { airGapped: true }), /air-gapped: nobody is asked/);
    assert.deepEqual(upstream.requests, []);
  });
});
