import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Flags } from '#src/config/load.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { knowsPasswords, MeteredAccounts, rightPassword } from '#test/fakes/metered-accounts.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

/** The program, time in the test's hand, and an upstream that counts the pulls of its accounts. */
async function start(meter: MeteredAccounts, more: Flags = {}, auth: object = {}, upstreamOf: object = {}) {
  const stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  upstream.faults.push(meter.fault);
  const name = upstream.repository('team/app');
  const images = ['v1', 'v2', 'v3'].map((tag) => putImage(upstream.content, name, tag, [bytes(50)]));
  const clock = new FakeClock();
  const log = new LogLines();
  const settings: Flags = {
    imagePath: path,
    registries: [{ name: upstream.host, scheme: 'http', alias: 'up', auth, upstream: upstreamOf }],
    ...more,
    cache: { freshness: 'always', complete: false, ...(more.cache ?? {}) },
  };
  const app = stack.use(await runApp(settings, { clock, log }));
  return {
    upstream,
    images,
    clock,
    log,
    app,
    path,
    async pull(tag: string) {
      const { status, headers } = await ask(app.server, `/v2/up/team/app/manifests/${tag}`);
      return [status, headers['cache-status'], headers.warning];
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

const stale = [
  200,
  'ociregistry; hit; detail="stale: upstream quota is low"',
  '299 - "stale: upstream quota is low"',
];
const anonymously = (): string => 'nobody';

describe('an upstream whose quota is low', () => {
  it('is not asked about cached tags, said once, and is asked for what is not cached', async () => {
    const meter = new MeteredAccounts({ nobody: { limit: 100, remaining: 11 } }, anonymously);
    await using test = await start(meter);
    assert.deepEqual(await test.pull('v1'), [200, 'ociregistry; fwd=miss', undefined]);
    assert.deepEqual(await test.pull('v1'), [200, 'ociregistry; fwd=stale; detail=revalidated', undefined]);
    assert.deepEqual(await test.pull('v2'), [200, 'ociregistry; fwd=miss', undefined]);
    for (let times = 0; times < 3; times += 1) {
      assert.deepEqual(await test.pull('v1'), stale);
      assert.deepEqual(await test.pull('v2'), stale);
    }
    assert.deepEqual(await test.pull('v3'), [200, 'ociregistry; fwd=miss', undefined]);
    assert.deepEqual(meter.calls, [
      'nobody GET manifests/v1',
      'nobody HEAD manifests/v1',
      'nobody GET manifests/v2',
      'nobody GET manifests/v3',
    ]);
    const said = test.log.at('warn').filter((line) => line.includes('quota'));
    assert.equal(said.length, 1);
    assert.match(said[0] ?? '', /upstream: '127\.0\.0\.1:\d+'.*remaining: 9/s);
  });

  it('is asked about one of them after five minutes, to see what is left', async () => {
    const meter = new MeteredAccounts({ nobody: { limit: 100, remaining: 5 } }, anonymously);
    await using test = await start(meter);
    await test.pull('v1');
    await test.pull('v1');
    await test.clock.advance(300_000);
    assert.deepEqual(await test.pull('v1'), [200, 'ociregistry; fwd=stale; detail=revalidated', undefined]);
    assert.deepEqual(await test.pull('v1'), stale);
    assert.deepEqual(meter.calls, ['nobody GET manifests/v1', 'nobody HEAD manifests/v1']);
  });

  it('is asked all the same where nothing stale may be served', async () => {
    const meter = new MeteredAccounts({ nobody: { limit: 100, remaining: 5 } }, anonymously);
    await using test = await start(meter, { cache: { staleIfError: false } });
    await test.pull('v1');
    assert.deepEqual(await test.pull('v1'), [200, 'ociregistry; fwd=stale; detail=revalidated', undefined]);
    assert.equal(meter.calls.length, 2);
  });

  it('sends blobs: the rest of an image that was begun, also in the background', async () => {
    const meter = new MeteredAccounts({ nobody: { limit: 100, remaining: 5 } }, anonymously);
    await using test = await start(meter, { cache: { complete: true } });
    await test.pull('v1');
    const { config, layers } = test.images[0] ?? assert.fail();
    const wanted = [config, ...layers].map(({ digest }) => `nobody GET blobs/${digest}`);
    const giveUpAt = Date.now() + 10_000;
    while (!wanted.every((call) => meter.calls.includes(call))) {
      assert.ok(Date.now() < giveUpAt);
      await test.clock.advance(250);
    }
    assert.deepEqual(meter.calls.toSorted(), [...wanted, 'nobody GET manifests/v1'].toSorted());
  });
});

describe('auth.accounts', () => {
  it('are used besides user and password, and their quotas are at /metrics by their place alone', async () => {
    const meter = new MeteredAccounts({
      alice: { limit: 100, remaining: 30 },
      bob: { limit: 200, remaining: 60 },
    });
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'password');
    await writeFile(file, `${rightPassword}\n`);
    const auth = { user: 'alice', password: rightPassword, accounts: [{ user: 'bob', passwordFile: file }] };
    await using port = await start(new MeteredAccounts({}));
    const metrics = port.app.server.port;
    await port[Symbol.asyncDispose]();
    await using test = await start(meter, { metrics }, auth);
    test.upstream.faults.unshift(knowsPasswords);
    for (const tag of ['v1', 'v2', 'v3']) await test.pull(tag);
    assert.deepEqual(meter.users, ['alice', 'bob', 'bob']);
    const page = async () => (await ask({ port: metrics }, '/metrics')).body.toString();
    const on = `upstream="${test.upstream.host}"`;
    const series = await page();
    for (const line of [
      `upstream_quota_limit{${on},account="1"} 100`,
      `upstream_quota_remaining{${on},account="1"} 29`,
      `upstream_quota_limit{${on},account="2"} 200`,
      `upstream_quota_remaining{${on},account="2"} 58`,
    ]) {
      assert.ok(series.includes(`ociregistry_${line}\n`), line);
    }
    assert.doesNotMatch(series, /alice|bob/);
    await test.clock.advance(21_600_000);
    assert.doesNotMatch(await page(), /ociregistry_upstream_quota_\w+\{/);
  });
});

describe('upstream.maxBandwidth', () => {
  for (const [where, common, own] of [
    ['of all registries', 1000, undefined],
    ['of one', 1_000_000, 1000],
  ] as const) {
    it(`${where} is kept to by its blobs`, async () => {
      const upstream = own === undefined ? {} : { maxBandwidth: own };
      await using test = await start(
        new MeteredAccounts({}),
        { upstream: { maxBandwidth: common } },
        {},
        upstream,
      );
      const content = bytes(5000);
      const { digest } = test.upstream.content.putBlob(test.upstream.repository('team/app'), content);
      const begin = test.clock.now();
      const over = new AbortController();
      const asked = ask(test.app.server, `/v2/up/team/app/blobs/${digest}`).finally(() => over.abort());
      const giveUpAt = Date.now() + 10_000;
      while (!over.signal.aborted && Date.now() < giveUpAt) await test.clock.advance(100);
      assert.deepEqual((await asked).body, Buffer.from(content));
      assert.ok(test.clock.now() - begin >= 4000);
    });
  }
});
