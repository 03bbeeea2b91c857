import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from '#src/base/clock.ts';
import { problemsOf } from '#test/fakes/config-text.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const day = 86_400_000;

/** A server that has cached two images, `v1` two days ago and `v2` now; what it logs in the first seconds of pruning. */
async function pruned(
  pruneConfig: Record<string, unknown>,
): Promise<{ lines: readonly string[]; left: unknown }> {
  await using directory = await temporaryDirectory();
  await using upstream = await FakeUpstream.start();
  for (const [at, tag] of ['v1', 'v2'].entries())
    putImage(upstream.content, upstream.repository('team/app'), tag, [bytes(1000, at)]);
  const registries = [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }];
  const settings = { imagePath: directory.path, registries, cache: { complete: false } };
  const clock: Clock = { ...systemClock, now: () => Date.now() - 2 * day };
  for (const [tag, parts] of [
    ['v1', { clock }],
    ['v2', {}],
  ] as const) {
    await using app = await runApp(settings, parts);
    assert.equal((await ask(app.server, `/v2/up/team/app/manifests/${tag}`)).status, 200);
  }
  const log = new LogLines();
  const config = { enabled: true, duration: '1d', frequency: '1s', ...pruneConfig };
  await using app = await runApp({ ...settings, airGapped: true, pruneConfig: config }, { log });
  const giveUpAt = Date.now() + 20_000;
  while (!log.lines.some((line) => line.includes('pruning is over'))) {
    assert.ok(Date.now() < giveUpAt, 'nothing was pruned');
    await sleep(50);
  }
  const { body } = await ask(app.server, '/v2/up/team/app/tags/list');
  return {
    lines: log.at('info').filter((line) => line.includes('prun')),
    left: (JSON.parse(body.toString()) as { tags: unknown }).tags,
  };
}

describe('pruning by the clock', () => {
  for (const type of ['accessed', 'created'])
    it(`removes what is old, and says so: ${type}`, async () => {
      const { lines, left } = await pruned({ type });
      assert.deepEqual(left, ['v2']);
      assert.match(lines[0] ?? '', /an image was pruned.*'v1'/s);
      assert.match(lines[1] ?? '', /pruning is over.*images: 1/s);
    });

  it('goes by name, so many at a time', async () => {
    const { left } = await pruned({ type: 'pattern', expr: 'team/app:v', count: 1, frequency: '3s' });
    assert.deepEqual(left, ['v2']);
  });

  for (const key of ['dryRun', 'dryrun'])
    it(`removes nothing where it is to say what it would: ${key}`, async () => {
      const { lines, left } = await pruned({ [key]: true });
      assert.deepEqual(left, ['v1', 'v2']);
      assert.match(lines[0] ?? '', /an image would be pruned.*'v1'/s);
    });

  it('is not begun with what would remove everything, or is no pattern', async () => {
    assert.match(
      (await problemsOf('pruneConfig: { enabled: true, type: pattern }')).join(),
      /pruneConfig\.type: pattern needs expr/,
    );
    assert.match(
      (await problemsOf('pruneConfig: { expr: "a(" }')).join(),
      /pruneConfig\.expr: "a\(" is no regular expression/,
    );
  });
});
