import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type NotifiedEndpoint, Notifier } from '#src/notify/notifier.ts';
import { isSigned, signatureHeader, timestampHeader } from '#src/notify/signature.ts';
import type { ContentEvent } from '#src/observe/content-event.ts';
import { sha256 } from '#src/oci/digest.ts';
import { parseTag, type RepositoryName } from '#src/oci/reference.ts';
import { StoreFullError } from '#src/storage/content-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ScriptedTransport } from '#test/fakes/scripted-transport.ts';
import { secret } from '#test/fakes/secrets.ts';

const app = repository('ghcr.io/team/app');

function gone(tag: string): ContentEvent {
  return { kind: 'gone', at: 1_700_000_000_000, repository: app, tag: parseTag(tag) };
}

function evicted(): ContentEvent {
  return {
    kind: 'evict',
    at: 1_700_000_000_000,
    repository: app,
    digest: sha256(Buffer.from('x')),
    tags: [],
  };
}

async function turns(count = 30): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

interface Sent {
  readonly ids: string[];
  readonly tags: (string | undefined)[];
}

function sentBy(transport: ScriptedTransport): Sent[] {
  return transport.requests.map(({ body = '' }) => {
    const { events } = JSON.parse(body) as { events: { id: string; target: { tag?: string } }[] };
    return { ids: events.map(({ id }) => id), tags: events.map(({ target }) => target.tag) };
  });
}

/** Somebody who is told; `answers`: the status of each try in turn, the last for all that follow. */
function endpoint(
  answers: readonly (number | Error)[] = [200],
  more: Partial<NotifiedEndpoint> & { headers?: Record<string, string> } = {},
) {
  const { headers = {}, ...settings } = more;
  const transport = new ScriptedTransport((_request, count) => {
    const answer = answers[Math.min(count, answers.length) - 1] ?? 200;
    if (answer instanceof Error) throw answer;
    return { status: answer, headers };
  });
  const url = new URL(`https://hooks.example.com/${secret('path')}`);
  const events = ['gone', 'evict'] as const;
  return {
    transport,
    endpoint: { url, secret: undefined, events, timeoutMs: 10_000, transport, ...settings },
  };
}

function notifier(
  endpoints: readonly NotifiedEndpoint[],
  { clock, log, metadata }: { clock: FakeClock; log: LogLines; metadata: SqliteMetadataStore },
  change = metadata.change.bind(metadata),
): Notifier {
  const nameOf = (name: RepositoryName): string => name;
  const source = { publicUrl: undefined, scheme: 'http', addr: 'cache', nameOf } as const;
  const parts = { endpoints, source, queue: metadata.events, metadata: { change }, clock, log };
  return new Notifier({ ...parts, random: () => 0.5 });
}

function surroundings() {
  const clock = new FakeClock();
  return { clock, log: new LogLines(), metadata: SqliteMetadataStore.inMemory({ clock }) };
}

describe('events', () => {
  it('are told in their order, to who asked for their kind, each once, with an id of its own', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const [all, evictions] = [
      endpoint(),
      endpoint([200], { url: new URL('https://b.example/'), events: ['evict'] }),
    ];
    await using notify = notifier([all.endpoint, evictions.endpoint], around);
    notify.begin();
    assert.deepEqual([notify.wants('gone'), notify.wants('pull')], [true, false]);
    notify.tell(gone('v1'));
    notify.tell(evicted());
    notify.tell(gone('v2'));
    notify.tell({
      kind: 'fill',
      at: 0,
      repository: app,
      descriptor: { mediaType: 'x/y', digest: sha256(Buffer.from('')), size: 0 },
    });
    await turns();
    const told = sentBy(all.transport);
    assert.deepEqual(
      told.flatMap(({ tags }) => tags),
      ['v1', undefined, 'v2'],
    );
    assert.equal(new Set(told.flatMap(({ ids }) => ids)).size, 3);
    assert.equal(sentBy(evictions.transport).flatMap(({ ids }) => ids).length, 1);
    const { headers = {} } = all.transport.requests[0] ?? {};
    assert.deepEqual(headers, { 'content-type': 'application/vnd.docker.distribution.events.v1+json' });
    assert.equal(all.transport.unread, 0);
    const [state] = await notify.states();
    assert.deepEqual(state, { endpoint: 'hooks.example.com', waiting: 0, sent: 3, failed: 0, dropped: 0 });
  });

  it('are signed where there is a secret', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const { transport, endpoint: told } = endpoint([200], { secret: secret('events') });
    await using notify = notifier([told], around);
    notify.begin();
    notify.tell(gone('v1'));
    await turns();
    const { headers = {}, body = '' } = transport.requests[0] ?? {};
    const shown = { timestamp: headers[timestampHeader] ?? '', signature: headers[signatureHeader] ?? '' };
    assert.ok(isSigned(Buffer.from(body), shown, secret('events'), around.clock.now()));
  });

  it('are few envelopes where they are many, of fifty at most', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const { transport, endpoint: told } = endpoint();
    await using notify = notifier([told], around);
    for (let at = 0; at < 120; at += 1) notify.tell(gone(`v${at}`));
    await turns();
    notify.begin();
    await turns();
    assert.deepEqual(
      sentBy(transport).map(({ ids }) => ids.length),
      [50, 50, 20],
    );
  });

  it('wait while an endpoint fails, with pauses that double, are sent again as they were, and in their order', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const { clock, log } = around;
    const { transport, endpoint: told } = endpoint([503, new Error('no connection'), 404, 200]);
    await using notify = notifier([told], around);
    notify.begin();
    notify.tell(gone('v1'));
    await turns();
    assert.equal(transport.requests.length, 1);
    notify.tell(gone('v2'));
    // Three quarters of a second, of a second and a half, of three: what is random is in the middle.
    for (const [at, pause] of [750, 1500, 3000].entries()) {
      await turns();
      await clock.advance(pause - 1);
      await turns();
      assert.equal(transport.requests.length, at + 1);
      await clock.advance(1);
      await turns();
      assert.equal(transport.requests.length, at + 2);
    }
    const told3 = sentBy(transport);
    assert.deepEqual(told3[3]?.tags, ['v1', 'v2']);
    assert.equal(new Set(told3.map(({ ids }) => ids[0])).size, 1);
    assert.match(log.at('warn')[0] ?? '', /cannot be delivered.*hooks\.example\.com.*it answered 503/s);
    assert.match(log.at('info')[0] ?? '', /delivered again/);
    assert.equal((await notify.states())[0]?.failed, 3);
  });

  it('wait for as long as an endpoint asks, an hour at most', async () => {
    for (const [asked, waited] of [
      ['120', 120_000],
      ['18000', 3_600_000],
    ] as const) {
      const around = surroundings();
      await using _metadata = around.metadata;
      const { transport, endpoint: told } = endpoint([429, 200], { headers: { 'retry-after': asked } });
      await using notify = notifier([told], around);
      notify.begin();
      notify.tell(gone('v1'));
      await turns();
      await around.clock.advance(waited - 1);
      await turns();
      assert.equal(transport.requests.length, 1);
      await around.clock.advance(1);
      await turns();
      assert.equal(transport.requests.length, 2);
    }
  });

  it('that are refused for what they are do not hold up the others for ever', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const { clock, log } = around;
    const transport = new ScriptedTransport(({ body = '' }) => ({
      status: body.includes('"bad"') ? 400 : 200,
    }));
    const { endpoint: told } = endpoint([200], { transport });
    await using notify = notifier([told], around);
    for (const tag of ['v1', 'bad', 'v2']) notify.tell(gone(tag));
    await turns();
    notify.begin();
    for (let minute = 0; minute < 5; minute += 1) {
      await turns();
      await clock.advance(60_000);
    }
    await turns();
    const taken = sentBy(transport).filter(({ tags }) => !tags.includes('bad'));
    assert.deepEqual(
      taken.flatMap(({ tags }) => tags),
      ['v1', 'v2'],
    );
    const { waiting, sent, dropped } = (await notify.states())[0] ?? {};
    assert.deepEqual([waiting, sent, dropped], [0, 2, 1]);
    assert.match(log.at('warn').join('\n'), /refused again and again/);
  });

  it('are sent by the next process where this one has not, and by it alone', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const dead = endpoint([new Error('no connection')]);
    {
      await using notify = notifier([dead.endpoint], around);
      notify.begin();
      notify.tell(gone('v1'));
      await turns();
      // What is told as it ends is kept, too.
      notify.tell(gone('v2'));
    }
    const alive = endpoint();
    await using notify = notifier([alive.endpoint], around);
    notify.begin();
    await turns();
    assert.deepEqual(sentBy(alive.transport)[0]?.tags, ['v1', 'v2']);
    assert.equal(sentBy(alive.transport)[0]?.ids[0], sentBy(dead.transport)[0]?.ids[0]);
  });

  it('are sent by one of two processes on one directory, and by the other when that has died', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const { clock } = around;
    const hung = endpoint();
    const never = Promise.withResolvers<never>();
    const silent = new ScriptedTransport(async ({ signal }) => {
      signal?.addEventListener('abort', () => never.reject(signal.reason), { once: true });
      return await never.promise;
    });
    await using first = notifier([{ ...hung.endpoint, transport: silent }], around);
    first.begin();
    first.tell(gone('v1'));
    await turns();
    assert.equal(silent.requests.length, 1);
    const other = endpoint();
    await using second = notifier([other.endpoint], around);
    second.begin();
    await turns();
    await clock.advance(10_000);
    await turns();
    assert.deepEqual(other.transport.requests, []);
    await clock.advance(3000);
    await turns();
    assert.deepEqual(sentBy(other.transport)[0]?.tags, ['v1']);
  });

  it('of an endpoint that is not configured any more are for nobody', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const old = endpoint([500]);
    {
      await using notify = notifier([old.endpoint], around);
      for (let at = 0; at < 250; at += 1) notify.tell(gone(`v${at}`));
    }
    const [name = ''] = await around.metadata.events.endpoints();
    assert.equal((await around.metadata.events.stateOf(name)).waiting, 250);
    const another = endpoint([200], { url: new URL('https://b.example/') });
    await using notify = notifier([another.endpoint], around);
    notify.begin();
    await turns();
    assert.equal((await around.metadata.events.stateOf(name)).waiting, 0);
    assert.deepEqual(another.transport.requests, []);
  });

  it('wait in memory while the index takes nothing, as many as have room, and whoever tells of them goes on', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const { clock, log, metadata } = around;
    let isFull = true;
    const change: typeof metadata.change = async (operations) => {
      if (isFull) throw new StoreFullError('no room');
      await metadata.change(operations);
    };
    const { transport, endpoint: told } = endpoint();
    await using notify = notifier([told], around, change);
    notify.begin();
    for (let at = 0; at < 5003; at += 1) notify.tell(gone(`v${at}`));
    await turns();
    assert.equal((await notify.states())[0]?.dropped, 3);
    assert.match(log.at('warn').join('\n'), /are lost/);
    isFull = false;
    await clock.advance(5000);
    await turns(2000);
    assert.equal(sentBy(transport).flatMap(({ ids }) => ids).length, 5000);
  });

  it('tell the log no more of an endpoint than its host', async () => {
    const around = surroundings();
    await using _metadata = around.metadata;
    const { endpoint: told } = endpoint([302, 500, 400]);
    await using notify = notifier([told], around);
    notify.begin();
    notify.tell(gone('v1'));
    for (let minute = 0; minute < 4; minute += 1) {
      await turns();
      await around.clock.advance(60_000);
    }
    // The log looks for the path by itself.
    assert.match(around.log.at('warn').join('\n'), /hooks\.example\.com/);
    assert.deepEqual(
      await around.metadata.events
        .endpoints()
        .then((names) => names.filter((name) => name.includes('hooks'))),
      [],
    );
  });
});
