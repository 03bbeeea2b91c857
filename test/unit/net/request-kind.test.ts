import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { requestKind } from '#src/net/request-kind.ts';

describe('the kind of a request', () => {
  const kinds: readonly [path: string, kind: string][] = [
    ['/v2/', 'version'],
    ['/v2/library/alpine/manifests/v1', 'manifest'],
    ['/v2/v2/app/manifests/v1', 'manifest'],
    ['/docker/v2/', 'version'],
    ['/docker/v2/library/alpine/manifests/v1?ns=docker.io', 'manifest'],
    [`/a/b/v2/proxy/app/blobs/sha256:${'a'.repeat(64)}`, 'blob'],
    ['/library/alpine/manifests/v1', 'other'],
    ['/v2/a/%zz/manifests/v1', 'other'],
  ];
  for (const [path, kind] of kinds) {
    it(`is ${kind} for ${path.slice(0, 50)}`, () => {
      const url = new URL(path, 'https://mirror.example.com');
      assert.equal(requestKind({ method: 'GET', url }), `GET ${kind}`);
      assert.equal(requestKind({ method: 'HEAD', url }), `HEAD ${kind}`);
    });
  }

  it('is what is said of it, whatever its path', () => {
    const url = new URL('https://mirror.example.com/v2/a/manifests/v1');
    assert.equal(requestKind({ method: 'HEAD', url, kind: 'blob' }), 'HEAD blob');
  });
});
