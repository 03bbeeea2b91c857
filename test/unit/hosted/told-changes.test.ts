import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HostedRules } from '#src/hosted/hosted-rules.ts';
import { Notifier } from '#src/notify/notifier.ts';
import type { ClientRequest } from '#src/oci/client-request.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { hostedHost, parseTag, repositoryName, shownName } from '#src/oci/reference.ts';
import type { Operation } from '#src/storage/operation.ts';
import { app, HostedUnderTest, sent } from '#test/fakes/hosted-under-test.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ScriptedTransport } from '#test/fakes/scripted-transport.ts';

const by: ClientRequest = {
  id: 'r1',
  address: '192.0.2.1',
  host: 'cache',
  method: 'PUT',
  userAgent: undefined,
};
const other = repositoryName(hostedHost, 'test/other');

interface Told {
  readonly action: string;
  readonly target: Readonly<Record<string, unknown>>;
}

/** Somebody who is told of what clients change, and answers 503. */
async function listened({ maxQueued }: { readonly maxQueued?: number } = {}) {
  const hosted = new HostedUnderTest();
  const { metadata, clock } = hosted;
  const log = new LogLines();
  const transport = new ScriptedTransport(() => ({ status: 503 }));
  const events = ['push', 'mount', 'delete'] as const;
  const url = new URL('https://hooks.example.com/');
  const notifier = new Notifier({
    endpoints: [{ url, secret: undefined, events, timeoutMs: 1000, transport }],
    source: { publicUrl: undefined, scheme: 'http', addr: 'cache', nameOf: shownName },
    ...{ queue: metadata.events, metadata, clock, log, random: () => 0.5, maxQueued },
  });
  const changes: (readonly Operation['kind'][])[] = [];
  const watched = new Proxy(metadata, {
    get: (target, key) => {
      const member: unknown = Reflect.get(target, key);
      if (key === 'change')
        return async (operations: readonly Operation[]) => {
          changes.push(operations.map(({ kind }) => kind));
          await target.change(operations);
        };
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  const rule = { repositories: ['test/**'], open: true, immutableTags: ['v*'], uploadExpiry: 86_400_000 };
  const { pushes } = new HostedUnderTest(
    {},
    {
      ...hosted.parts,
      metadata: watched,
      queued: notifier.queued,
      rules: new HostedRules([rule]),
    },
  );
  const state = async () => (await notifier.states())[0];
  const waiting = async (): Promise<string[]> => {
    const [name = ''] = await metadata.events.endpoints();
    const found = await metadata.events.waiting(name, { after: 0, limit: 100 });
    return found.map(({ text }) => {
      const { action, target } = JSON.parse(text) as Told;
      return [action, target['repository'], target['tag'] ?? target['digest']].join(' ');
    });
  };
  return {
    ...{ pushes, notifier, changes, clock, log, waiting, state },
    [Symbol.asyncDispose]: async () => {
      await notifier[Symbol.asyncDispose]();
      await hosted[Symbol.asyncDispose]();
    },
  };
}

function manifestOf(digest: string, more = '') {
  const layers = [{ mediaType: 'application/x', digest, size: 5 }];
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, layers, more }));
  return { digest: sha256(bytes), sent: { bytes, contentType: ociManifest, tags: [] } };
}

describe('what others are told of a change', () => {
  it('is queued in its transaction: nobody who is killed behind it has not told of it', async () => {
    await using made = await listened();
    const { pushes, waiting, changes } = made;
    const layer = Buffer.from('layer');
    const blob = sha256(layer);
    const { digest, sent: manifest } = manifestOf(blob);
    await pushes.putBlob(app, blob, sent(layer), by);
    const { id } = await pushes.beginUpload(app);
    await pushes.commit(app, id, blob, sent(layer), by);
    await pushes.mount(other, blob, app, by);
    await pushes.putManifest(app, parseTag('v1'), manifest, by);
    await pushes.putManifest(app, digest, { ...manifest, tags: ['a', 'b'].map(parseTag) }, by);
    await pushes.putManifest(other, digest, manifest, by);
    await pushes.deleteTag(app, parseTag('a'), by);
    await pushes.deleteManifest(other, digest, by);
    await pushes.deleteBlob(other, blob, by);
    assert.deepEqual(await waiting(), [
      `push test/app ${blob}`,
      `push test/app ${blob}`,
      `mount test/other ${blob}`,
      'push test/app v1',
      ...['push test/app a', 'push test/app b'],
      `push test/other ${digest}`,
      'delete test/app a',
      `delete test/other ${digest}`,
      `delete test/other ${blob}`,
    ]);
    const kinds: readonly string[] = ['link blob', 'own blob', 'put manifest', 'remove tag', 'disown blob'];
    for (const change of changes)
      if (change.some((kind) => kinds.includes(kind))) assert.ok(change.includes('queue events'), change[0]);
  });

  it('is nothing where the change was refused, or nobody asked for it', async () => {
    await using made = await listened();
    const { pushes, waiting } = made;
    const layer = Buffer.from('layer');
    const blob = sha256(layer);
    await pushes.putBlob(app, blob, sent(layer));
    await pushes.putManifest(app, parseTag('v1'), manifestOf(blob).sent);
    const moved = pushes.putManifest(app, parseTag('v1'), manifestOf(blob, 'other').sent, by);
    await assert.rejects(moved, { code: 'DENIED' });
    await assert.rejects(pushes.deleteBlob(app, blob, by), { code: 'UNSUPPORTED' });
    assert.equal(await pushes.mount(other, sha256(Buffer.from('none')), app, by), undefined);
    assert.deepEqual(await waiting(), []);
  });

  it('gives way to what is told later where too much waits, is counted and said; nobody waits for it', async () => {
    await using made = await listened({ maxQueued: 3 });
    const { pushes, notifier, clock, log, waiting, state } = made;
    notifier.begin();
    const push = async (text: string) =>
      await pushes.putBlob(app, sha256(Buffer.from(text)), sent(Buffer.from(text)), by);
    await push('first');
    for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    for (const text of ['a', 'b', 'c', 'd', 'e']) await push(text);
    assert.deepEqual(
      await waiting(),
      ['c', 'd', 'e'].map((text) => `push test/app ${sha256(Buffer.from(text))}`),
    );
    assert.equal((await state())?.dropped, 3);
    await clock.advance(1000);
    for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.match(log.at('warn').join('\n'), /events were dropped: too many wait.*/);
    assert.doesNotMatch(log.at('warn').join('\n'), /hooks\.example\.com\//);
  });
});
