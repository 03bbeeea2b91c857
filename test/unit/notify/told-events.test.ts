import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maxEvents, toldEvents } from '#src/notify/told-events.ts';
import { knownAs, toldTarget } from '#src/notify/told-target.ts';
import { sha256 } from '#src/oci/digest.ts';
import { parseRegistryHost, type RegistryHost } from '#src/oci/reference.ts';

const digest = sha256(Buffer.from('x'));
const target = {
  repository: 'team/app',
  tag: 'v1',
  digest,
  url: `http://up:5000/v2/team/app/manifests/${digest}`,
};

describe('what a registry tells', () => {
  it('is taken from what may move a tag, and from nothing else', () => {
    const events = toldEvents({
      events: [
        { id: '1', action: 'push', target, request: { host: 'localhost:5000' } },
        { id: '2', action: 'pull', target },
        { id: '3', action: 'delete', target: { repository: 'team/app', digest } },
        { id: '4', action: 'push', target: { tag: 'v1' } },
        { id: '5', action: 'push' },
        { action: 'moved', target: { repository: 'a', tag: 'not a tag', digest: 'sha256:x', url: 'no url' } },
      ],
    });
    const [push, deleted, moved, ...others] = events ?? [];
    assert.deepEqual(push, {
      ...{
        action: 'push',
        id: '1',
        hosts: ['up:5000', 'localhost:5000'],
        repository: 'team/app',
        tag: 'v1',
        digest,
      },
    });
    assert.deepEqual([deleted?.id, deleted?.tag, deleted?.digest], ['3', undefined, digest]);
    assert.deepEqual(
      [moved?.id, moved?.hosts, moved?.tag, moved?.digest],
      [undefined, [], undefined, undefined],
    );
    assert.deepEqual(others, []);
  });

  it('is no envelope where it is something else, or too much', () => {
    const many = (count: number) => ({
      events: Array.from({ length: count }, () => ({ action: 'push', target })),
    });
    for (const wrong of [undefined, null, [], 'x', {}, { events: {} }, { events: [1] }, many(maxEvents + 1)])
      assert.equal(toldEvents(wrong), undefined);
    assert.equal(toldEvents(many(maxEvents))?.length, maxEvents);
    assert.deepEqual(toldEvents({ events: [] }), []);
  });

  it('is about a registry that is configured, by one of its hosts or by whose events they are said to be', () => {
    const up = parseRegistryHost('up:5000');
    const hub = parseRegistryHost('docker.io');
    const hosts = new Map<string, RegistryHost>([
      ['up:5000', up],
      ['mirror.example.com', up],
      ['docker.io', hub],
    ]);
    const of = (said: string[], repository = 'team/app', ns?: RegistryHost) =>
      toldTarget({ hosts: said, repository }, hosts, ns);
    assert.equal(of(['UP:5000']), 'up:5000/team/app');
    assert.equal(of(['localhost:5000', 'mirror.example.com']), 'up:5000/team/app');
    assert.equal(of(['registry-1.docker.io'], 'alpine'), 'docker.io/library/alpine');
    assert.equal(of(['localhost:5000']), undefined);
    assert.equal(of([]), undefined);
    assert.equal(of(['localhost:5000'], 'team/app', up), 'up:5000/team/app');
    assert.equal(of(['up:5000'], '../secret'), undefined);
    assert.equal(of(['up:5000'], 'x'.repeat(256)), undefined);
    assert.equal(knownAs('no host/'), '');
  });
});
