import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RedirectingTransport } from '#src/net/redirect.ts';
import { requestKind } from '#src/net/request-kind.ts';
import { RetryingTransport } from '#src/net/retry.ts';
import type { TransportRequest } from '#src/net/transport.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type AnswerScript, ScriptedTransport } from '#test/fakes/scripted-transport.ts';

const registry = 'https://registry.example.com';
const get: TransportRequest = {
  method: 'GET',
  url: new URL(`${registry}/v2/a/blobs/x`),
  headers: { authorization: 'Basic c2VjcmV0', cookie: 'a=b', range: 'bytes=5-', accept: '*/*' },
};

function redirecting(script: AnswerScript, check?: (url: URL) => void, blobsOverHttp?: boolean) {
  const wire = new ScriptedTransport(script);
  return { wire, transport: new RedirectingTransport(wire, { maxHops: 10, check, blobsOverHttp }) };
}

/** One redirect, then 200. */
function to(location: string, status = 307): AnswerScript {
  return (_, count) => (count === 1 ? { status, headers: { location } } : { status: 200 });
}

describe('a redirect', () => {
  for (const status of [301, 302, 303, 307, 308]) {
    it(`by ${status} is followed, and what it answered is let go`, async () => {
      const { wire, transport } = redirecting(to('https://cdn.example.org/b?sig=1', status));
      const response = await transport.send(get);
      assert.equal(response.status, 200);
      assert.equal(response.url.href, 'https://cdn.example.org/b?sig=1');
      assert.deepEqual(wire.requests[1]?.method, 'GET');
      assert.equal(wire.unread, 1);
    });
  }

  it('takes no credential to another origin, but the range', async () => {
    for (const location of [
      'https://cdn.example.org/b',
      'https://registry.example.com:444/b',
      '//other.example.com/b',
    ]) {
      const { wire, transport } = redirecting(to(location));
      await transport.send(get);
      assert.deepEqual(wire.requests[1]?.headers, { range: 'bytes=5-', accept: '*/*' });
    }
  });

  it('is of the kind that its own path says, also on the same origin', async () => {
    const { wire, transport } = redirecting(to('/storage/b'));
    await transport.send({ ...get, kind: 'blob' });
    assert.deepEqual(wire.requests.map(requestKind), ['GET blob', 'GET other']);
  });

  it('takes it along on the same origin, and not back to it from elsewhere', async () => {
    const { wire, transport } = redirecting((_, count) => {
      const location = ['/b', 'https://cdn.example.org/c', `${registry}/d`][count - 1];
      return location === undefined ? { status: 200 } : { status: 307, headers: { location } };
    });
    await transport.send(get);
    assert.deepEqual(
      wire.requests.map(({ headers }) => headers?.['authorization']),
      ['Basic c2VjcmV0', 'Basic c2VjcmV0', undefined, undefined],
    );
  });

  it('is sent on letter by letter, whatever parsing would make of it', async () => {
    for (const [location, target] of [
      ["https://cdn.example.org/a%2fb/c+d/'e'?X-Sig=%2B%3d&x=a|b", "/a%2fb/c+d/'e'?X-Sig=%2B%3d&x=a|b"],
      ['https://cdn.example.org/a/../b?x=1#fragment', '/a/../b?x=1'],
      ['/v2/a/%7e', '/v2/a/%7e'],
      ['HTTPS://CDN.example.org/a', '/a'],
      ['https://cdn.example.org?x=1', undefined],
      ['other?x', undefined],
      ['https://cdn.example.org/a b', undefined],
      ['//cdn.example.org/a', undefined],
    ] as const) {
      const { wire, transport } = redirecting(to(location));
      await transport.send(get);
      assert.equal(wire.requests[1]?.target, target, location);
    }
  });

  it('may be relative', async () => {
    const { wire, transport } = redirecting(to('../manifests/y?z'));
    await transport.send(get);
    assert.equal(wire.requests[1]?.url.href, `${registry}/v2/a/manifests/y?z`);
  });

  for (const [what, location] of [
    ['from https to http', 'http://registry.example.com/b'],
    ['to another scheme', 'file:///etc/passwd'],
    ['to what is no URL', 'https://['],
  ] as const) {
    it(`${what} is refused with 502, and its answer let go`, async () => {
      const { wire, transport } = redirecting(to(location));
      await assert.rejects(transport.send(get), { code: 'UNAVAILABLE', status: 502 });
      assert.deepEqual([wire.requests.length, wire.unread], [1, 0]);
    });
  }

  it('from http to https is followed', async () => {
    const { wire, transport } = redirecting(to('https://registry.example.com/b'));
    await transport.send({ ...get, url: new URL('http://registry.example.com/a') });
    assert.equal(wire.requests[1]?.headers?.['authorization'], undefined);
  });

  it('that leads in a circle ends after ten hops with 502', async () => {
    const { wire, transport } = redirecting((_, count) => ({
      status: 302,
      headers: { location: count % 2 === 0 ? '/v2/a/blobs/x' : 'https://cdn.example.org/' },
    }));
    await assert.rejects(transport.send(get), { code: 'UNAVAILABLE', message: /redirects too often/ });
    assert.deepEqual([wire.requests.length, wire.unread], [11, 0]);
  });

  it('without a Location is an answer', async () => {
    const { transport } = redirecting(() => ({ status: 307 }));
    assert.equal((await transport.send(get)).status, 307);
  });

  it('is followed only where the check lets it', async () => {
    const { wire, transport } = redirecting(to('https://evil.example/'), () => {
      throw new Error('not there');
    });
    await assert.rejects(transport.send(get), /not there/);
    assert.deepEqual([wire.requests.length, wire.unread], [1, 0]);
  });

  it('is asked for again by the next try: a signed URL is used once', async () => {
    const clock = new FakeClock();
    const { wire, transport } = redirecting((request, count) => {
      if (request.url.host === 'cdn.example.org') return { status: count < 4 ? 503 : 200 };
      return { status: 307, headers: { location: `https://cdn.example.org/b?sig=${count}` } };
    });
    const retrying = new RetryingTransport(transport, {
      clock,
      random: () => 0,
      budgetMs: 1000,
      tryMs: 1000,
    });
    const sending = retrying.send(get);
    // Behind the limit of the first try.
    await new Promise((resolve) => setImmediate(resolve));
    await clock.untilSleeping();
    await clock.advance(0);
    assert.equal((await sending).status, 200);
    assert.deepEqual(
      wire.requests.map(({ url, target }) => `${url.href} ${target ?? ''}`),
      [
        `${registry}/v2/a/blobs/x `,
        'https://cdn.example.org/b?sig=1 /b?sig=1',
        `${registry}/v2/a/blobs/x `,
        'https://cdn.example.org/b?sig=3 /b?sig=3',
      ],
    );
  });
});

describe('a redirect from https to http, where it is allowed for blobs', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const store = 'http://store.internal:9000/b?sig=1';
  const blob: TransportRequest = { ...get, url: new URL(`${registry}/v2/a/blobs/${digest}`) };
  const allowing = (script: AnswerScript, check?: (url: URL) => void) => redirecting(script, check, true);

  for (const method of ['GET', 'HEAD'] as const) {
    it(`is followed by the ${method} of one, without a credential`, async () => {
      const { wire, transport } = allowing(to(store));
      assert.equal((await transport.send({ ...blob, method })).status, 200);
      assert.equal(wire.requests[1]?.url.href, store);
      assert.deepEqual(wire.requests[1].headers, { range: 'bytes=5-', accept: '*/*' });
    });
  }

  it('is followed too by one of a mirror below a path, and over a hop that is https', async () => {
    const locations = ['https://cdn.example.org/x', store, 'http://store-2.internal:9000/b'];
    const { wire, transport } = allowing((_, count) => {
      const location = locations[count - 1];
      return location === undefined ? { status: 200 } : { status: 307, headers: { location } };
    });
    const below = new URL(`${registry}/proxy/v2/a/blobs/${digest}`);
    assert.equal((await transport.send({ ...blob, url: below })).status, 200);
    assert.deepEqual(
      wire.sent.slice(1),
      locations.map((location) => `GET ${location}`),
    );
  });

  for (const path of [
    'v2/a/manifests/v1',
    'v2/a/tags/list',
    `v2/a/referrers/${digest}`,
    'v2/',
    'token',
    'v2/_catalog',
  ]) {
    it(`is refused for /${path}: nobody would notice what somebody on the way made of it`, async () => {
      const { wire, transport } = allowing(to(store));
      const refused = { code: 'UNAVAILABLE', status: 502, message: /which is not https$/ };
      await assert.rejects(transport.send({ ...get, url: new URL(`${registry}/${path}`) }), refused);
      assert.deepEqual([wire.requests.length, wire.unread], [1, 0]);
    });
  }

  it('is no redirect to any other scheme', async () => {
    for (const location of ['ftp://store.internal/b', 'file:///etc/passwd']) {
      const { wire, transport } = allowing(to(location));
      await assert.rejects(transport.send(blob), { code: 'UNAVAILABLE', message: /which is not https$/ });
      assert.equal(wire.requests.length, 1);
    }
  });

  it('is still checked', async () => {
    const { wire, transport } = allowing(to(store), () => {
      throw new Error('not there');
    });
    await assert.rejects(transport.send(blob), /not there/);
    assert.equal(wire.requests.length, 1);
  });

  it('is refused where it is not allowed, by a message that names the key', async () => {
    const { wire, transport } = redirecting(to(store));
    await assert.rejects(transport.send(blob), {
      code: 'UNAVAILABLE',
      message: /http:\/\/store\.internal:9000, which is not https; upstream\.blobsOverHttp: true/,
    });
    assert.equal(wire.requests.length, 1);
  });
});

describe('a HEAD that a redirect took elsewhere', () => {
  const head: TransportRequest = { ...get, method: 'HEAD' };
  const signed: AnswerScript = ({ url, method }, count) => {
    if (url.origin === registry) {
      return { status: 307, headers: { location: `https://s3.example.org/b?n=${count}` } };
    }
    return { status: method === 'HEAD' ? 403 : 200 };
  };

  it('is asked for by GET from the beginning where the place refuses HEAD, by whichever status', async () => {
    for (const status of [400, 401, 404, 405, 501]) {
      const { transport } = redirecting((request, count) =>
        request.url.origin !== registry && request.method === 'HEAD' ? { status } : signed(request, count),
      );
      assert.equal((await transport.send(head)).status, 200);
    }
  });

  it('is asked for by GET from the beginning where the URL was signed for GET', async () => {
    const { wire, transport } = redirecting(signed);
    assert.equal((await transport.send(head)).status, 200);
    assert.deepEqual(
      wire.requests.map(({ method, url }) => `${method} ${url.href}`),
      [
        `HEAD ${registry}/v2/a/blobs/x`,
        'HEAD https://s3.example.org/b?n=1',
        `GET ${registry}/v2/a/blobs/x`,
        'GET https://s3.example.org/b?n=3',
      ],
    );
    assert.equal(wire.unread, 1);
  });

  it('is not asked for by GET where the registry itself refused it, or the limit is reached', async () => {
    for (const script of [
      () => ({ status: 403 }),
      (_: TransportRequest, count: number) =>
        count === 1 ? { status: 307, headers: { location: '/x' } } : { status: 429 },
    ]) {
      const { wire, transport } = redirecting(script);
      await transport.send(head);
      assert.ok(wire.requests.every(({ method }) => method === 'HEAD'));
    }
  });
});

describe('a POST that is redirected', () => {
  const post: TransportRequest = { ...get, method: 'POST', body: 'refresh_token=secret' };

  it('is repeated on its own origin by 307 and 308', async () => {
    const { wire, transport } = redirecting(to('/other'));
    assert.equal((await transport.send(post)).status, 200);
    assert.equal(wire.requests[1]?.body, 'refresh_token=secret');
  });

  it('is repeated nowhere else', async () => {
    for (const script of [to('https://other.example/'), to('/other', 302), to('/other', 303)]) {
      const { wire, transport } = redirecting(script);
      assert.notEqual((await transport.send(post)).status, 200);
      assert.equal(wire.requests.length, 1);
    }
  });
});
