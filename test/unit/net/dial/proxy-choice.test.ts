import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { HttpProxy } from '#src/net/dial/http-proxy.ts';
import { NoProxy } from '#src/net/dial/no-proxy.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';

function chosen(
  url: string,
  env: Readonly<Record<string, string>>,
  settings: { proxy?: string; noProxy?: string[] } = {},
): string | undefined {
  return new ProxyChoice({ noProxy: [], ...settings, env }).of(new URL(url))?.host;
}

describe('noProxy', () => {
  const rows: [entry: string, covered: string[], others: string[]][] = [
    ['*', ['https://a.example', 'http://10.0.0.1:5000'], []],
    [
      'a.example',
      ['https://a.example', 'http://A.example.:81', 'https://x.a.example'],
      ['https://ba.example'],
    ],
    ['.a.example', ['https://x.a.example'], ['https://a.example', 'https://xa.example']],
    ['*.a.example', ['https://x.a.example'], ['https://a.example']],
    ['a.example:8443', ['https://a.example:8443', 'https://x.a.example:8443'], ['https://a.example']],
    ['a.example:443', ['https://a.example'], ['http://a.example', 'https://a.example:444']],
    ['10.1.2.3', ['http://10.1.2.3', 'http://[::ffff:10.1.2.3]:5000'], ['http://10.1.2.30']],
    ['10.1.2.3:5000', ['http://10.1.2.3:5000'], ['http://10.1.2.3']],
    ['10.0.0.0/8', ['http://10.255.0.1:80'], ['http://11.0.0.1', 'http://ten.example', 'http://[::a00:1]']],
    ['::1', ['http://[::1]', 'http://[::1]:5000'], ['http://[::2]']],
    ['[::1]:5000', ['http://[::1]:5000'], ['http://[::1]']],
    ['fd00::/8', ['http://[fd12::1]'], ['http://[fe80::1]', 'http://10.0.0.1']],
    [' A.Example ', ['https://a.example'], []],
    ['', [], ['https://a.example']],
    ['.', [], ['https://a.example', 'https://a.example.']],
    ['10.0.0.0/99', [], ['http://10.0.0.1']],
  ];
  for (const [entry, covered, others] of rows) {
    it(`${JSON.stringify(entry)} covers what it says and no more`, () => {
      const covers = (url: string): boolean => new NoProxy([entry]).covers(new URL(url));
      assert.deepEqual(covered.filter(covers), covered);
      assert.deepEqual(others.filter(covers), []);
    });
  }

  it('takes any text without an error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        new NoProxy([text]).covers(new URL('https://a.example'));
      }),
    );
  });
});

describe('the proxy of an origin', () => {
  it('is the configured one for all, and for loopback too', () => {
    const env = { HTTPS_PROXY: 'http://other:1' };
    const proxy = 'http://proxy:3128';
    assert.equal(chosen('https://a.example', env, { proxy }), 'proxy:3128');
    assert.equal(chosen('http://127.0.0.1:5000', env, { proxy }), 'proxy:3128');
  });

  it('is that of the environment by the scheme of the origin, lower case first, else none', () => {
    const env = { HTTPS_PROXY: 'http://upper', https_proxy: 'https://lower', HTTP_PROXY: 'plain:8080' };
    assert.equal(chosen('https://a.example', env), 'lower:443');
    assert.equal(chosen('http://a.example', env), 'plain:8080');
    assert.equal(chosen('http://a.example', { ...env, http_proxy: 'l:1' }), 'l:1');
    assert.equal(chosen('https://a.example', { https_proxy: '', HTTPS_PROXY: 'http://upper' }), 'upper:80');
    assert.equal(chosen('https://a.example', { HTTP_PROXY: 'plain:8080' }), undefined);
  });

  it('is none at loopback when it comes from the environment', () => {
    const env = { HTTPS_PROXY: 'http://proxy:3128' };
    for (const host of ['localhost', 'x.localhost:5000', '127.0.0.9', '[::1]:5000']) {
      assert.equal(chosen(`https://${host}`, env), undefined, host);
    }
    assert.equal(chosen('https://10.0.0.1', env), 'proxy:3128');
  });

  it('is never one for the services of a cloud to its machines', () => {
    for (const host of ['169.254.169.254', 'metadata.google.internal', '[fd00:ec2::254]', '168.63.129.16']) {
      assert.equal(chosen(`http://${host}`, {}, { proxy: 'http://proxy:3128' }), undefined, host);
    }
  });

  it('has the exceptions of noProxy, else those of NO_PROXY', () => {
    const env = { NO_PROXY: 'a.example, 10.0.0.0/8', HTTPS_PROXY: 'http://env:1' };
    const proxy = 'http://proxy:3128';
    assert.equal(chosen('https://a.example', env), undefined);
    assert.equal(chosen('https://10.2.3.4', env), undefined);
    assert.equal(chosen('https://a.example', env, { proxy }), undefined);
    assert.equal(chosen('https://a.example', { ...env, no_proxy: 'b.example' }), 'env:1');
    assert.equal(chosen('https://a.example', env, { proxy, noProxy: ['b.example'] }), 'proxy:3128');
    assert.equal(chosen('https://b.example', env, { proxy, noProxy: ['b.example'] }), undefined);
  });

  it('is told with the key or variable that it comes from, and what makes an exception', () => {
    const env = { https_proxy: 'http://me:hunter2@env:1', NO_PROXY: 'a.example, .b.example' };
    const route = (url: string, settings: { proxy?: string; noProxy?: string[] } = {}) => {
      const { proxy, ...why } = new ProxyChoice({ noProxy: [], ...settings, env }).route(new URL(url));
      return { proxy: proxy?.host, ...why };
    };
    const proxy = 'http://proxy:3128';
    assert.deepEqual(route('https://c.example'), { proxy: 'env:1', setIn: 'https_proxy' });
    assert.deepEqual(route('http://a.example'), { proxy: undefined, setIn: undefined });
    assert.deepEqual(route('https://c.example', { proxy }), { proxy: 'proxy:3128', setIn: 'upstream.proxy' });
    const exceptions: [url: string, settings: { proxy?: string; noProxy?: string[] }, exception: string][] = [
      ['https://x.b.example', {}, 'NO_PROXY has .b.example'],
      ['https://10.1.1.1', { noProxy: ['10.0.0.0/8'] }, 'upstream.noProxy has 10.0.0.0/8'],
      ['https://127.0.0.1', {}, 'this machine itself'],
      ['https://169.254.169.254', { proxy }, 'the address of a cloud’s own services'],
    ];
    for (const [url, settings, exception] of exceptions) {
      const setIn = settings.proxy === undefined ? 'https_proxy' : 'upstream.proxy';
      assert.deepEqual(route(url, settings), { proxy: undefined, setIn, exception });
    }
  });
});

describe('a proxy’s URL', () => {
  const wrong: [text: string, message: RegExp][] = [
    ['socks5://me:hunter2@proxy:1080', /^HTTPS_PROXY: SOCKS proxies are not supported/],
    ['ftp://me:hunter2@proxy', /^HTTPS_PROXY: must be an http or https URL$/],
    ['http://me:hunter2@proxy:99999', /^HTTPS_PROXY: must be an http or https URL$/],
    [
      'http://me:12#hunter2@proxy',
      /^HTTPS_PROXY: must end with its host and port, a password be percent-encoded$/,
    ],
    [
      'http://me:12/hunter2@proxy:3128',
      /^HTTPS_PROXY: must end with its host and port, a password be percent-encoded$/,
    ],
    [
      'http://me:12?hunter2@proxy',
      /^HTTPS_PROXY: must end with its host and port, a password be percent-encoded$/,
    ],
    ['http://me:hunter2%zz@proxy', /^HTTPS_PROXY: user and password must be percent-encoded$/],
  ];
  for (const [text, message] of wrong) {
    it(`${text.replace('hunter2', '…')} is an error that names the variable and not its value`, () => {
      assert.throws(
        () => new ProxyChoice({ noProxy: [], env: { HTTPS_PROXY: text } }),
        (error) =>
          error instanceof Error && message.test(error.message) && !inspect(error).includes('hunter2'),
      );
    });
  }

  it('is kept without its user and password, which only the header holds', () => {
    const proxy = HttpProxy.parse('http://m%65:hunter%32:x@proxy:3128/');
    assert.doesNotMatch(inspect(proxy, { depth: 9 }) + JSON.stringify(proxy), /hunter/);
    assert.deepEqual(proxy.headers, {
      'proxy-authorization': `Basic ${Buffer.from('me:hunter2:x').toString('base64')}`,
    });
    assert.equal(HttpProxy.parse('proxy').headers['proxy-authorization'], undefined);
  });
});
