import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EventReceiver } from '#test/fakes/event-receiver.ts';
import { HostedClient } from '#test/fakes/hosted-client.ts';
import { bytes } from '#test/fakes/images.ts';
import { secret } from '#test/fakes/secrets.ts';
import { alias } from './support/client.ts';
import { freePort } from './support/free-port.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const shared = secret('events');
const accept = 'application/vnd.oci.image.manifest.v1+json';

/** Where the inner one sends what happens there; undefined: nowhere. */
type Endpoint = (outer: string) => string | undefined;

/**
 * Two of our servers: one that is pushed to and tells what happens, and the cache in front of it that is told, and whose tags are fresh for ever. Both keep
 * their ports when they start again. `further` is told by the cache.
 */
async function pair(endpointOf: Endpoint = (outer) => outer, further?: EventReceiver) {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const secretFile = join(path, 'secret');
  await writeFile(secretFile, shared);
  const [innerPort, outerPort] = [await freePort(), await freePort()];
  const innerHost = `127.0.0.1:${innerPort}`;
  const events = `http://127.0.0.1:${outerPort}/v2/webhooks/events?ns=${innerHost}`;
  const url = endpointOf(events);
  const inner = stack.use(
    await Ociregistry.start({
      settings: {
        port: innerPort,
        hosted: [{ repositories: ['test/**'], open: true }],
        ...(url !== undefined && { notifications: { endpoints: [{ url, secretFile, timeout: '2s' }] } }),
      },
    }),
  );
  const outer = stack.use(
    await Ociregistry.start({
      settings: {
        port: outerPort,
        registries: [{ name: innerHost, scheme: 'http', alias }],
        cache: { freshness: 'immutable', complete: false },
        notifications: {
          incoming: { secretFile, do: 'revalidate' },
          ...(further && { endpoints: [{ url: further.url }] }),
        },
      },
    }),
  );
  const moved = stack.move();
  return {
    ...{ inner, outer, events },
    push: async (tag: string, seed: number) =>
      (await new HostedClient(inner.url, 'test/app').pushImage(tag, [bytes(20_000, seed)])).digest,
    /** Undefined: it has none by that tag. */
    served: async (tag: string) => {
      const answer = await fetch(`${outer.url}/v2/${alias}/test/app/manifests/${tag}`, {
        headers: { accept },
      });
      await answer.arrayBuffer();
      return answer.headers.get('docker-content-digest') ?? undefined;
    },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

type Pair = Awaited<ReturnType<typeof pair>>;

/** Requests for the tag's manifest that have reached the inner server. */
async function askedFor({ inner }: Pair, tag: string): Promise<number> {
  const mark = `mark-${performance.now()}`;
  await fetch(`${inner.url}/v2/test/app/manifests/${mark}`).then(
    async (answer) => await answer.arrayBuffer(),
  );
  await until('the log has caught up', async () => inner.requests().some((line) => line.includes(mark)));
  const asks = new RegExp(`^(GET|HEAD) /v2/test/app/manifests/${tag}\\b`);
  return inner.requests().filter((line) => asks.test(line)).length;
}

function signed(body: string, by: string, at = Date.now()): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000));
  const hmac = createHmac('sha256', by).update(`${timestamp}.${body}`).digest('hex');
  return { 'x-ociregistry-timestamp': timestamp, 'x-ociregistry-signature': `sha256=${hmac}` };
}

function pushOf(tag: string): string {
  const target = { repository: 'test/app', tag, mediaType: accept };
  return JSON.stringify({ events: [{ id: `forged-${tag}-${performance.now()}`, action: 'push', target }] });
}

async function tell(url: string, body: string, headers: Record<string, string>): Promise<number> {
  const answer = await fetch(url, { method: 'POST', body, headers });
  await answer.arrayBuffer();
  return answer.status;
}

describe('a server of ours that is pushed to, and a cache of ours in front of it', () => {
  it('which is told of a push serves what was pushed, though its tags are fresh for ever', async () => {
    await using both = await pair();
    const first = await both.push('v1', 1);
    assert.equal(await both.served('v1'), first);
    const second = await both.push('v1', 2);
    await until('the cache serves what was pushed', async () => (await both.served('v1')) === second);
    const third = await both.push('v1', 3);
    await until('the cache serves what was pushed then', async () => (await both.served('v1')) === third);
    assert.ok(both.outer.requests().some((line) => line.startsWith('POST /v2/webhooks/events')));
  });

  it('which is told that a tag was deleted records that it is gone, and tells that itself', async () => {
    await using receiver = await EventReceiver.start();
    await using both = await pair((outer) => outer, receiver);
    const digest = await both.push('v1', 1);
    assert.equal(await both.served('v1'), digest);
    const { status } = await new HostedClient(both.inner.url, 'test/app').call('DELETE', 'manifests/v1');
    assert.equal(status, 202);
    const { target } = await receiver.event(({ action }) => action === 'gone');
    assert.deepEqual(target, { repository: `${alias}/test/app`, tag: 'v1' });
    // As `onGone` has it, which says so where nobody has configured it.
    assert.equal(await both.served('v1'), digest);
  });

  it('tells when the cache is back what happened while it was away, though it was killed itself meanwhile', async () => {
    await using both = await pair();
    const first = await both.push('v1', 1);
    assert.equal(await both.served('v1'), first);
    await both.outer.stop('SIGKILL');
    const second = await both.push('v1', 2);
    const sent = () => both.inner.output.includes('"endpoint"');
    await until('it has tried in vain', async () => sent());
    await both.inner.stop('SIGKILL');
    await both.inner.startAgain();
    await both.outer.startAgain();
    await until('the cache serves what was pushed', async () => (await both.served('v1')) === second);
  });

  it('believes nobody who cannot sign, or has signed something else, or long ago', async () => {
    await using both = await pair(() => undefined);
    const first = await both.push('v1', 1);
    assert.equal(await both.served('v1'), first);
    await both.push('v1', 2);
    const asked = await askedFor(both, 'v1');
    const body = pushOf('v1');
    const minutes = 60_000;
    const forged: readonly Record<string, string>[] = [
      {},
      signed(body, 'another secret'),
      signed(`${body} `, shared),
      { ...signed(body, shared), 'x-ociregistry-timestamp': String(Math.floor(Date.now() / 1000) - 7) },
      signed(body, shared, Date.now() - 10 * minutes),
      signed(body, shared, Date.now() + 10 * minutes),
      { authorization: 'Bearer another-secret' },
    ];
    for (const headers of forged) assert.equal(await tell(both.events, body, headers), 401);
    // What comes behind them is taken, and they had their turn before.
    const other = await both.push('v2', 3);
    assert.equal(await both.served('v2'), other);
    const moved = await both.push('v2', 4);
    const right = pushOf('v2');
    assert.equal(await tell(both.events, right, signed(right, shared)), 202);
    await until('the cache serves what moved', async () => (await both.served('v2')) === moved);
    assert.equal(await askedFor(both, 'v1'), asked);
    assert.equal(await both.served('v1'), first);
  });

  it('takes what was signed once: when it is shown again nobody is asked', async () => {
    await using receiver = await EventReceiver.start();
    await using both = await pair(() => receiver.url);
    const first = await both.push('v1', 1);
    assert.equal(await both.served('v1'), first);
    const second = await both.push('v1', 2);
    await receiver.event(({ target }) => target['digest'] === second);
    const [envelope] = receiver.received.filter(({ body }) => body.includes(second));
    assert.ok(envelope);
    const headers = Object.fromEntries(
      ['x-ociregistry-timestamp', 'x-ociregistry-signature'].map((name) => [
        name,
        String(envelope.headers[name]),
      ]),
    );
    assert.equal(await tell(both.events, envelope.body, headers), 202);
    await until('the cache serves what was pushed', async () => (await both.served('v1')) === second);
    const asked = await askedFor(both, 'v1');
    assert.equal(await tell(both.events, envelope.body, headers), 202);
    // What comes behind it is taken.
    const right = pushOf('v2');
    await both.push('v2', 3);
    await both.served('v2');
    const before = await askedFor(both, 'v2');
    assert.equal(await tell(both.events, right, signed(right, shared)), 202);
    await until('the cache has asked for another', async () => (await askedFor(both, 'v2')) > before);
    assert.equal(await askedFor(both, 'v1'), asked);
  });
});
