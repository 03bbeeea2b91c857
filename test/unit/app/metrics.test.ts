import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text as textOf } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { metrics, originalMetrics, prefix } from '#src/observe/metric-table.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { components, find, obstacle } from '#test/setup/components.ts';

const promtool = components.find(({ name }) => name === 'promtool');

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  await using directory = await temporaryDirectory();
  await using app = await runApp({ imagePath: directory.path });
  return app.server.port;
}

async function appWithMetrics(
  upstream: FakeUpstream,
  imagePath: string,
  clock?: FakeClock,
  complete = false,
) {
  const settings = {
    imagePath,
    metrics: await freePort(),
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    cache: { complete },
  };
  return await runApp(settings, clock && { clock });
}

/** The page, by the names of its series. */
async function scrape(app: { readonly metrics: { readonly port: number } | undefined }) {
  assert.ok(app.metrics);
  const { body } = await ask(app.metrics, '/metrics');
  const page = body.toString();
  const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const series = new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.split(' ').at(-1)]));
  return { page, series };
}

/** A request is counted a moment after its client has the answer: scrapes until the series is there with this value. */
async function scrapeUntil(
  app: Parameters<typeof scrape>[0],
  name: string,
  value: number,
  wait = async () => {},
) {
  for (let tries = 0; ; tries += 1) {
    await wait();
    const got = await scrape(app);
    if (got.series.get(`${prefix}${name}`) === String(value)) return got;
    assert.ok(tries < 200, `${name} is ${got.series.get(`${prefix}${name}`)}, not ${value}`);
  }
}

describe('the metrics of the program', () => {
  it('count requests, bytes and calls of upstream, under our names and the original’s', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    const image = putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(100_000)]);
    const clock = new FakeClock();
    await using app = await appWithMetrics(upstream, directory.path, clock);
    const blob = `/v2/up/team/app/blobs/${image.layers[0]?.digest}`;
    const tag = '/v2/up/team/app/manifests/v1';
    for (const path of [blob, tag, tag, '/v2/up/team/app/manifests/none', '/v2/']) {
      await ask(app.server, path);
    }
    await scrapeUntil(app, 'fills_running', 0);
    await ask(app.server, blob);
    await scrapeUntil(app, 'cached_manifest_count', 1, async () => await clock.advance(60_000));
    const { page, series } = await scrapeUntil(app, 'v2_api_endpoint_hits_total', 6);
    const { size } = image.manifest;
    const on = `upstream="${upstream.host}"`;
    const expected: Record<string, number> = {
      [`requests_total{${on},kind="manifest",result="miss"}`]: 1,
      [`requests_total{${on},kind="manifest",result="hit"}`]: 1,
      [`requests_total{${on},kind="manifest",result="absent"}`]: 1,
      [`requests_total{${on},kind="blob",result="miss"}`]: 1,
      [`requests_total{${on},kind="blob",result="hit"}`]: 1,
      'requests_total{upstream="none",kind="version",result="local"}': 1,
      [`sent_bytes_total{${on},kind="blob"}`]: 200_000,
      [`received_bytes_total{${on},kind="blob"}`]: 100_000,
      [`received_bytes_total{${on},kind="manifest"}`]: size,
      [`upstream_requests_total{${on},kind="manifest",result="ok"}`]: 1,
      [`upstream_requests_total{${on},kind="manifest",result="absent"}`]: 1,
      [`upstream_request_seconds_count{${on},kind="blob"}`]: 1,
      'first_byte_seconds_count{kind="blob",result="hit"}': 1,
      'build_info{version="0.0.0"}': 1,
      fills_running: 0,
      [`cached_pulls_by_ns_total{ns="${upstream.host}"}`]: 1,
      [`upstream_pulls_by_ns{ns="${upstream.host}"}`]: 1,
      manifest_pulls_total: 3,
      blob_pulls_total: 2,
      v2_api_endpoint_hits_total: 6,
      api_errors_total: 1,
      cached_manifest_count: 1,
      manifest_bytes_on_disk_total: size,
      cached_blob_count: 1,
      blob_bytes_on_disk_total: 100_000,
    };
    for (const [name, value] of Object.entries(expected)) {
      assert.equal(series.get(`${prefix}${name}`), String(value), name);
    }
    for (const { name, type } of [...Object.values(metrics), ...Object.values(originalMetrics)]) {
      assert.ok(page.includes(`# TYPE ${prefix}${name} ${type}\n`), name);
    }
    assert.ok(series.has('process_resident_memory_bytes'));
    assert.ok(series.has('nodejs_eventloop_lag_p99_seconds'));
  });

  it('say what is still to be completed of a registry, and how long the oldest of it has waited', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(1000)]);
    const clock = new FakeClock();
    await using app = await appWithMetrics(upstream, directory.path, clock, true);
    upstream.faults.push(async ({ path }, next) =>
      path.includes('/blobs/') ? { status: 429, headers: { 'Retry-After': '3600' } } : await next(),
    );
    await ask(app.server, '/v2/up/team/app/manifests/v1');
    const on = `upstream="${upstream.host}"`;
    const wait = async () => await clock.advance(500);
    await scrapeUntil(app, `completion_waiting{${on}}`, 2, wait);
    await clock.advance(60_000);
    const { series } = await scrape(app);
    assert.ok(Number(series.get(`${prefix}completion_oldest_seconds{${on}}`)) >= 60);
  });

  it('name no repository, tag, digest, path or client, whatever clients ask for', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    await using app = await appWithMetrics(upstream, directory.path);
    const digest = `sha256:${'5'.repeat(64)}`;
    for (const path of [
      '/v2/up/needle/app/manifests/needle',
      `/v2/up/needle/app/blobs/${digest}`,
      '/v2/needle.invalid:1/app/manifests/v1',
      '/v2/app/manifests/v1?ns=needle.invalid:1',
      '/needle?needle',
    ]) {
      await ask(app.server, path, { headers: { 'user-agent': 'needle' } });
    }
    const { page, series } = await scrapeUntil(app, 'v2_api_endpoint_hits_total', 4);
    assert.doesNotMatch(page, /needle|5{16}/);
    const refused = [...series].filter(([name]) => name.includes('upstream="other"'));
    assert.ok(refused.length > 0);
  });

  it('are on their own port alone, and nowhere unless it is configured', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    await using app = await appWithMetrics(upstream, directory.path);
    assert.equal((await ask(app.server, '/metrics')).status, 404);
    await using other = await temporaryDirectory();
    await using plain = await runApp({ imagePath: other.path });
    assert.equal(plain.metrics, undefined);
  });

  it('of two programs in one process do not meet', async () => {
    await using one = await temporaryDirectory();
    await using two = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    await using first = await appWithMetrics(upstream, one.path);
    await using second = await appWithMetrics(upstream, two.path);
    await ask(first.server, '/v2/');
    await scrapeUntil(first, 'v2_api_endpoint_hits_total', 1);
    await scrapeUntil(second, 'v2_api_endpoint_hits_total', 0);
  });

  it('pass promtool, but for names that the original gave', {
    skip: promtool === undefined ? 'promtool is not in the table' : (obstacle(promtool) ?? false),
  }, async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    await using app = await appWithMetrics(upstream, directory.path);
    putImage(upstream.content, upstream.repository('team/app'), 'v1', []);
    for (const _ of ['miss', 'hit']) await ask(app.server, '/v2/up/team/app/manifests/v1');
    const { page } = await scrapeUntil(app, 'manifest_pulls_total', 2);
    const check = spawn(find('promtool') ?? '', ['check', 'metrics'], { stdio: ['pipe', 'ignore', 'pipe'] });
    const closed = once(check, 'close');
    check.stdin.end(page);
    const complaints = (await textOf(check.stderr)).split('\n').filter((line) => line !== '');
    await closed;
    const given = Object.values(originalMetrics).map(({ name }) => `${prefix}${name} `);
    const ours = complaints.filter((line) => !given.some((name) => line.startsWith(name)));
    assert.deepEqual(ours, []);
  });
});
