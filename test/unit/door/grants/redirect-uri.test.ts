import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formTarget, isRegistered, withParameters } from '#src/door/grants/redirect-uri.ts';

describe('a redirect URI', () => {
  it('is registered letter by letter, but for the port of a loopback address', () => {
    const registered = [
      'https://a.test/b?c=d',
      'http://[::1]/b',
      'http://127.0.0.1:80/b',
      'http://127.0.0.1',
    ];
    for (const asked of [...registered, 'http://[::1]:1/b', 'http://127.0.0.1:65535'])
      assert.equal(isRegistered(registered, asked), true, asked);
    for (const asked of [
      'https://a.test/b',
      'https://a.test:443/b?c=d',
      'http://127.0.0.1:81/b',
      'http://127.0.0.1/b',
      'http://127.0.0.1:65536',
      'http://127.0.0.1:1\n',
      'http://127.0.0.1:',
      'http://127.1:1',
      'http://127.0.0.2:1',
      'http://[::1]:1/b/',
      'x\nhttp://[::1]:1/b',
    ])
      assert.equal(isRegistered(registered, asked), false, JSON.stringify(asked));
  });

  it('keeps the parameters that it has', () => {
    const answer = { code: 'a b&c', state: undefined, iss: 'https://i.test' };
    const said = 'code=a+b%26c&iss=https%3A%2F%2Fi.test';
    assert.equal(withParameters('https://a.test/b', answer), `https://a.test/b?${said}`);
    assert.equal(withParameters('https://a.test/b?c=d', answer), `https://a.test/b?c=d&${said}`);
    assert.equal(withParameters('com.example.app:/b', answer), `com.example.app:/b?${said}`);
  });

  it('is what a form may lead to, in the words of a policy', () => {
    assert.equal(formTarget('https://a.test:8443/b?c'), 'https://a.test:8443');
    assert.equal(formTarget('http://127.0.0.1:1234/b'), 'http://127.0.0.1:1234');
    assert.equal(formTarget('http://[::1]:1234/b'), 'http:');
    assert.equal(formTarget('com.example.app:/b'), 'com.example.app:');
  });
});
