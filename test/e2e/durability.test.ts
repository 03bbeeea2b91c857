import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { readImage } from './support/content.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { until } from './support/until.ts';

const clients = 32;
const images = 2000;
/** How long clients pull at least, and what may be lost of that when the process dies. Milliseconds. */
const loadMs = 4000;
const lagMs = 1000;

describe('a crash under load', () => {
  it('loses no image that a client has had for a second, also with upstream gone', async () => {
    await using upstream = await FakeUpstream.start();
    const names = Array.from({ length: images }, (_, at) => `load/image${at}`);
    for (const [at, name] of names.entries())
      putImage(upstream.content, upstream.repository(name), 'v1', [bytes(500, at)]);
    const registries = [{ name: upstream.host, scheme: 'http', alias: 'up' }];
    await using server = await Ociregistry.start({ settings: { registries } });
    const read = async (name: string) => await readImage(`${server.url}/v2/up/${name}`, 'v1');

    const hadAt = new Map<string, number>();
    const queue = names.values();
    const client = async () => {
      for (const name of queue) {
        await read(name);
        hadAt.set(name, performance.now());
      }
    };
    const pulling = Promise.allSettled(Array.from({ length: clients }, client));
    const hadBefore = (end: number) => [...hadAt].filter(([, at]) => at < end).map(([name]) => name);
    await setTimeout(loadMs);
    // A busy machine takes its time.
    await until(
      'each client has had some',
      async () => hadBefore(performance.now() - lagMs).length > clients,
    );
    const killedAt = performance.now();
    await server.stop('SIGKILL');
    await pulling;
    await upstream[Symbol.asyncDispose]();

    const had = hadBefore(killedAt - lagMs);
    await server.startAgain();
    const lost: string[] = [];
    for (const name of had) await read(name).catch(() => lost.push(name));
    assert.deepEqual(lost, []);
  });
});
