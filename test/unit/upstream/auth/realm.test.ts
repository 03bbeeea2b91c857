import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkRealmUrl, resolveRealm } from '#src/upstream/auth/realm.ts';

const secure = new URL('https://registry.example.com/v2/a/manifests/v1');
const plain = new URL('http://registry.example.com:5000/v2/a/manifests/v1');

describe('the realm of a challenge', () => {
  it('is resolved against the request and keeps its query', () => {
    assert.equal(resolveRealm('/token2?x=%2F', secure).url.href, 'https://registry.example.com/token2?x=%2F');
    assert.equal(resolveRealm('https://auth.example.org/t', secure).url.host, 'auth.example.org');
  });

  const refused: [why: string, realm: string, from: URL][] = [
    ['over http from https', 'http://registry.example.com/token', secure],
    ['of another scheme', 'file:///etc/passwd', plain],
    ['that is no URL', 'https://[', secure],
    ['with a user in it', 'https://user@auth.example.com/', secure],
    ['with a password in it', 'https://user:secret@auth.example.com/', secure],
  ];
  for (const [why, realm, from] of refused) {
    it(`${why} is refused`, () => {
      assert.throws(
        () => resolveRealm(realm, from),
        (error: Error & { code?: string; status?: number }) => {
          assert.equal(error.code, 'DENIED');
          assert.equal(error.status, 403);
          assert.ok(!error.message.includes('secret'));
          return true;
        },
      );
    });
  }

  it('must be one of those that are trusted, if any are named, by host or by origin', () => {
    const trusted = ['auth.example.com', 'https://auth.example.org:8443'];
    assert.ok(resolveRealm('https://auth.example.com/t', secure, trusted));
    assert.ok(resolveRealm('https://auth.example.org:8443/t', secure, trusted));
    for (const realm of [
      'https://auth.example.com:444/t',
      'https://auth.example.org/t',
      'https://auth.example.com.evil.example/t',
    ]) {
      assert.throws(() => resolveRealm(realm, secure, trusted), { code: 'DENIED' });
    }
  });

  it('gets user and password of a registry over https, wherever it is', () => {
    assert.equal(resolveRealm('https://login.other.example/t', secure).takesCredentials, true);
  });

  it('gets those of a registry over plain http on the same host and in the own network only', () => {
    const takes = (realm: string) => resolveRealm(realm, plain).takesCredentials;
    assert.equal(takes('http://registry.example.com:5001/t'), true);
    assert.equal(takes('http://localhost:5001/t'), true);
    assert.equal(takes('http://127.0.0.1:5001/t'), true);
    assert.equal(takes('http://10.1.2.3/t'), true);
    assert.equal(takes('https://auth.example.org/t'), false);
    assert.equal(takes('http://8.8.8.8/t'), false);
    assert.equal(takes('http://169.254.169.254/t'), false);
  });

  it('that a token server redirects to is held to the same rules', () => {
    assert.throws(() => checkRealmUrl(new URL('http://a.example/'), secure), { code: 'DENIED' });
    assert.throws(() => checkRealmUrl(new URL('https://a.example/'), secure, ['b.example']), {
      code: 'DENIED',
    });
    checkRealmUrl(new URL('https://a.example/'), secure, ['a.example']);
  });
});
