import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { envelopeOf, eventText } from '#src/notify/event-text.ts';
import type { ContentEvent } from '#src/observe/content-event.ts';
import { sha256 } from '#src/oci/digest.ts';
import { blobType, ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

const at = Date.UTC(2026, 10, 28, 12, 0, 0);
const app = repository('ghcr.io/team/app');
const digest = sha256(Buffer.from('x'));
const manifest = { mediaType: ociManifest, digest, size: 1 };
const request = {
  id: 'r1',
  address: '10.0.0.9',
  host: 'cache:8080',
  method: 'GET',
  userAgent: 'containerd/2',
};
const source = {
  publicUrl: undefined,
  scheme: 'http',
  addr: 'cache:8080',
  instanceID: 'i1',
  nameOf: String,
} as const;

function said(event: ContentEvent, from: Parameters<typeof eventText>[1] = source) {
  return JSON.parse(eventText(event, from)) as Record<string, unknown>;
}

describe('an event as it is sent', () => {
  it('is distribution’s, with all that its receivers read', () => {
    const { id, ...event } = said({
      ...{ kind: 'push', at, repository: app, descriptor: manifest, tag: parseTag('v1'), request },
    });
    assert.match(String(id), /^[0-9a-f-]{36}$/);
    assert.deepEqual(event, {
      timestamp: '2026-11-28T12:00:00.000Z',
      action: 'push',
      target: {
        mediaType: ociManifest,
        size: 1,
        length: 1,
        digest,
        repository: 'ghcr.io/team/app',
        url: `http://cache:8080/v2/ghcr.io/team/app/manifests/${digest}`,
        tag: 'v1',
      },
      request: { id: 'r1', addr: '10.0.0.9', host: 'cache:8080', method: 'GET', useragent: 'containerd/2' },
      actor: {},
      source: { addr: 'cache:8080', instanceID: 'i1' },
    });
  });

  it('says who asked by name, where the door knows him', () => {
    const by = { ...request, actor: 'alice' };
    for (const kind of ['push', 'pull'] as const)
      assert.deepEqual(said({ kind, at, repository: app, descriptor: manifest, request: by })['actor'], {
        name: 'alice',
      });
    assert.deepEqual(said({ kind: 'gone', at, repository: app, tag: parseTag('v1') })['actor'], {});
  });

  it('names a blob as one, and where it was mounted from', () => {
    const blob = { mediaType: blobType, digest, size: 1 };
    const from = repository('ghcr.io/team/base');
    const { target } = said({ kind: 'mount', at, repository: app, descriptor: blob, from, request });
    assert.deepEqual(target, {
      ...{ mediaType: blobType, size: 1, length: 1, digest, repository: 'ghcr.io/team/app' },
      ...{ fromRepository: 'ghcr.io/team/base' },
      url: `http://cache:8080/v2/ghcr.io/team/app/blobs/${digest}`,
    });
  });

  it('says what only a cache can say: where a tag has moved from, and what had to go', () => {
    const to = sha256(Buffer.from('y'));
    const tag = parseTag('v1');
    assert.deepEqual(said({ kind: 'moved', at, repository: app, tag, from: digest, to })['target'], {
      ...{ repository: 'ghcr.io/team/app', digest: to, fromDigest: digest, tag: 'v1' },
    });
    assert.deepEqual(said({ kind: 'gone', at, repository: app, tag })['target'], {
      ...{ repository: 'ghcr.io/team/app', tag: 'v1' },
    });
    assert.deepEqual(said({ kind: 'evict', at, repository: app, digest, tags: [tag] })['target'], {
      ...{ repository: 'ghcr.io/team/app', digest, tags: ['v1'] },
    });
  });

  it('leads to where clients reach the server, also where no client asked', () => {
    const publicUrl = 'https://cache.example.com/mirror';
    const { target } = said(
      { kind: 'fill', at, repository: app, descriptor: manifest },
      { ...source, publicUrl },
    );
    assert.equal(
      (target as { url: string }).url,
      `https://cache.example.com/mirror/v2/ghcr.io/team/app/manifests/${digest}`,
    );
  });

  it('stands with others in an envelope', () => {
    assert.deepEqual(JSON.parse(envelopeOf(['{"id":"a"}', '{"id":"b"}'])), {
      events: [{ id: 'a' }, { id: 'b' }],
    });
  });
});
