import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type OwnNames, refuseMisdirected } from '#src/http/authority.ts';
import { parseRequestTarget } from '#src/http/exchange/request-target.ts';
import { createHealth } from '#src/http/health.ts';
import { startServer } from '#src/http/server.ts';
import { RegistryError } from '#src/oci/error.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { serveRegistry } from '#test/fakes/registry-server.ts';

const alpine = repository('docker.io/library/alpine');

/** The answer to one request line, written letter by letter. */
async function answerTo(port: number, line: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  await once(socket, 'connect');
  socket.write(`${line} HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n`);
  return Buffer.concat(await socket.toArray()).toString('latin1');
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}

function filled(): MemoryRegistry {
  const registry = new MemoryRegistry();
  putImage(registry, alpine, 'v1', []);
  putImage(registry, alpine, 'v2', []);
  return registry;
}

describe('a path with slashes that say nothing', () => {
  for (const path of [
    '/v2/docker.io/library/alpine/tags/list/',
    '/v2/docker.io/library/alpine/tags/list///',
    '//v2/docker.io/library/alpine/tags/list',
    '/v2//docker.io/library//alpine/tags/list',
    '/v2/docker.io/library/alpine/manifests/v1/',
    '/v2//',
    '/v2///_catalog/',
  ]) {
    it(`is read without them: ${path}`, async () => {
      await using server = await serveRegistry(filled());
      assert.equal(statusOf(await answerTo(server.port, `GET ${path}`)), 200);
    });
  }

  it('has a Link without them, which no client takes for another host', async () => {
    await using server = await serveRegistry(filled(), { linkPrefix: '/cache' });
    for (const line of [
      'GET //v2//docker.io/library/alpine/tags/list/?n=1',
      'GET http://localhost//v2/docker.io/library/alpine/tags/list?n=1',
    ]) {
      const answer = await answerTo(server.port, line);
      assert.match(
        answer,
        /\r\nLink: <\/cache\/v2\/docker\.io\/library\/alpine\/tags\/list\?n=1&last=v1>; rel="next"\r\n/,
      );
    }
  });

  for (const [path, status] of [
    ['/v2/docker.io//../library/alpine/manifests/v1', 400],
    ['/v2/docker.io/./library/alpine/manifests/v1', 400],
    ['/v2/docker.io/library/alpine%2F/manifests/v1', 400],
    ['/v2/docker.io/library/%2falpine/manifests/v1', 400],
    ['/v2/docker.io/library/alpine/manifests/v1%2F', 400],
    ['/v2/docker.io/library/alpine/tags/list%2f', 404],
    ['//host/v2/', 404],
    ['//docker.io/library/alpine/tags/list', 404],
    ['/.//v2/', 404],
  ] as const) {
    it(`never means another repository: ${path} is ${status}`, async () => {
      await using server = await serveRegistry(filled());
      assert.equal(statusOf(await answerTo(server.port, `GET ${path}`)), status);
    });
  }

  it('is read twice as it is once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('/', '//', 'a', '..', '.', '%2f', '?', 'v2'), { maxLength: 12 }),
        (pieces) => {
          const { path } = parseRequestTarget(`/${pieces.join('')}`);
          assert.equal(parseRequestTarget(path).path, path);
          assert.doesNotMatch(path, /\/\/|.\/$/);
        },
      ),
    );
  });
});

describe('an absolute request target', () => {
  const publicUrl = new URL('https://cache.example/below');

  it('is answered where it names localhost, the socket’s address and port, or publicUrl', async () => {
    await using server = await serveRegistry(filled(), { publicUrl });
    const { port } = server;
    for (const [target, status] of [
      ['http://localhost/v2/', 200],
      [`http://localhost:${port}/v2/`, 200],
      [`HTTP://LOCALHOST:${port}/v2/`, 200],
      [`http://127.0.0.1:${port}/v2/`, 200],
      [`http://[::ffff:127.0.0.1]:${port}/v2/`, 200],
      [`http://127.0.0.1:${port}/v2/docker.io/library/alpine/tags/list?n=1`, 200],
      [`http://127.0.0.1:${port}`, 200],
      [`http://127.0.0.1:${port}?x`, 200],
      ['https://cache.example/v2/', 200],
      ['http://Cache.Example/v2/', 200],
      ['https://cache.example:443/v2/', 200],
      ['http://cache.example:443/v2/', 200],
      ['http://cache.example:8080/v2/', 421],
      ['http://127.0.0.1/v2/', 421],
      [`http://127.0.0.2:${port}/v2/`, 421],
      [`http://[::1]:${port}/v2/`, 421],
      ['http://localhost:1/v2/', 421],
      ['http://other.example/v2/', 421],
      ['http://other.example/', 421],
      ['http://localhost.example/v2/', 421],
      ['http://localhost./v2/', 421],
      ['http://cache.example.other/v2/', 421],
      ['http://169.254.169.254/latest/meta-data', 421],
      ['http:///v2/', 400],
      ['http://user@localhost/v2/', 400],
      ['http://localhost@other.example/v2/', 400],
      ['http://localhost\\@other.example/v2/', 400],
      ['http://localhost:99999999/v2/', 400],
      ['http://[::1/v2/', 400],
      ['http://localhost/v2/docker.io/../library/alpine/manifests/v1', 400],
    ] as const) {
      assert.equal(statusOf(await answerTo(port, `GET ${target}`)), status, target);
    }
  });

  it('to another is told by which name we are reached', async () => {
    await using server = await serveRegistry(filled());
    const answer = await answerTo(
      server.port,
      'GET http://other.example/v2/docker.io/library/alpine/tags/list',
    );
    assert.match(answer, /^HTTP\/1\.1 421 Misdirected Request\r\n/);
    assert.match(
      answer,
      /"code":"UNSUPPORTED","message":"\\"other\.example\\" is not this server: publicUrl /,
    );
  });

  it('leaves no password in the log, and its path as it was sent', async () => {
    const log = new LogLines();
    await using server = await serveRegistry(filled(), { log });
    await answerTo(server.port, 'GET http://user:hunter2@localhost/v2//x@b?ns=a');
    const text = JSON.stringify(log.lines);
    assert.doesNotMatch(text, /hunter2/);
    assert.match(text, /http:\/\/localhost\/v2\/\/x@b\?ns=a/);
  });

  for (const line of [
    'GET *',
    'OPTIONS *',
    'GET ftp://localhost/v2/',
    'GET v2/',
    'GET http:/v2/',
    'CONNECT localhost:80',
    'GET http://',
  ]) {
    it(`of another form is no success: ${line}`, async () => {
      await using server = await serveRegistry(filled());
      assert.doesNotMatch(await answerTo(server.port, line), / 200 /);
      assert.equal(statusOf(await answerTo(server.port, 'GET /v2/')), 200);
    });
  }

  it('is answered by the pages of health as a path is', async () => {
    const settings = { host: '127.0.0.1', port: 0, maxConnections: 10, idleTimeoutMs: 10_000 };
    await using server = await startServer(
      createHealth(async () => ({})),
      settings,
    );
    assert.equal(statusOf(await answerTo(server.port, 'GET http://pod.example:8081/livez')), 200);
  });

  it('of whatever is written is answered or refused, never a fault of ours', () => {
    const names: OwnNames = { localAddress: '::ffff:10.1.2.3', localPort: 8080, publicUrl };
    const authority = fc.oneof(
      fc.string(),
      fc.webAuthority({ withIPv4: true, withIPv6: true, withPort: true, withUserInfo: true }),
    );
    fc.assert(
      fc.property(authority, (text) => {
        const { server } = parseRequestTarget(`http://${text}/v2/`);
        assert.ok(server);
        assert.throws(
          () => refuseMisdirected(server, names),
          (error) => error instanceof RegistryError && [400, 421].includes(error.status),
        );
      }),
    );
  });

  it('that names an address of IPv4 is ours on a socket of both families, and one of IPv6 in any spelling', () => {
    const at = (localAddress: string, target: string): void => {
      const { server } = parseRequestTarget(target);
      assert.ok(server);
      refuseMisdirected(server, { localAddress, localPort: 8080, publicUrl: undefined });
    };
    at('::ffff:10.1.2.3', 'http://10.1.2.3:8080/v2/');
    at('10.1.2.3', 'http://[::FFFF:10.1.2.3]:8080/v2/');
    at('fd00::1', 'http://[FD00:0:0:0::1]:8080/v2/');
    at('fe80::1%eth0', 'http://[fe80::1]:8080/v2/');
    assert.throws(() => at('::ffff:10.1.2.3', 'http://10.1.2.4:8080/v2/'), { status: 421 });
  });
});

describe('the query of a request', () => {
  const rows: [sent: string, shown: string][] = [
    ['/v2/a/tags/list', '/v2/a/tags/list'],
    ['/v2/a/tags/list?', '/v2/a/tags/list?'],
    ['/v2/a/tags/list?ns=docker.io&n=5&last=v1.0-rc_2', '/v2/a/tags/list?ns=docker.io&n=5&last=v1.0-rc_2'],
    [
      '/v2/a/referrers/sha256:0?artifactType=application%2Fvnd.x%2Bjson',
      '/v2/a/referrers/sha256:0?artifactType=application%2Fvnd.x%2Bjson',
    ],
    ['/v2/a/blobs/uploads/?mount=sha256:0&from=b', '/v2/a/blobs/uploads/?mount=sha256:0&from=b'],
    ['/v2/?token=hunter2', '/v2/?…'],
    ['/v2/?access_token=hunter2&ns=docker.io', '/v2/?ns=docker.io&…'],
    ['/v2/?ns=docker.io&X-Amz-Signature=hunter2&X-Amz-Date=1', '/v2/?ns=docker.io&…'],
    ['/v2/?hunter2', '/v2/?…'],
    ['/v2/?hunter2==', '/v2/?…'],
    ['/v2/?n=1;token=hunter2', '/v2/?…'],
    ['/v2/?n=1?token=hunter2', '/v2/?…'],
    ['/v2/?ns=me:hunter2@docker.io', '/v2/?…'],
    ['/v2/?%6es=hunter2', '/v2/?…'],
    ['/v2/?NS=hunter2', '/v2/?…'],
    ['/v2/?n=1#token=hunter2', '/v2/?…'],
    ['/v2/#token=hunter2?n=1', '/v2/#…'],
    ['http://localhost/v2/?token=hunter2', 'http://localhost/v2/?…'],
    ['http://localhost?token=hunter2', 'http://localhost?…'],
  ];
  for (const [sent, shown] of rows) {
    it(`is shown as far as the API knows it: ${sent}`, () => {
      assert.equal(parseRequestTarget(sent).shown, shown);
    });
  }

  it('leaves no token in the log, of whatever is asked for', async () => {
    const log = new LogLines();
    await using server = await serveRegistry(filled(), { log });
    for (const path of [
      '/v2/',
      '/',
      '/elsewhere',
      '/v2/_catalog',
      '/v2/docker.io/library/alpine/tags/list',
      '/v2/docker.io/library/alpine/manifests/v1',
      '/v2/docker.io/library/alpine/manifests/-',
      '/v2/docker.io/%zz/alpine/manifests/v1',
    ])
      await answerTo(server.port, `GET ${path}?token=hunter2&n=1`);
    const text = JSON.stringify(log.lines);
    assert.doesNotMatch(text, /hunter2/);
    assert.equal(text.match(/\?n=1&…/g)?.length, 8);
  });
});

describe('two Host headers', () => {
  it('are refused, whatever they say, on every path', async () => {
    await using server = await serveRegistry(filled());
    for (const [path, hosts, status] of [
      ['/v2/', 'Host: a\r\nHost: b', 400],
      ['/v2/', 'Host: a\r\nX-Between: Host\r\nhOST: a', 400],
      ['/', 'Host: a\r\nHost:', 400],
      ['http://localhost/v2/', 'Host: localhost\r\nHost: localhost', 400],
      ['/v2/', 'Host: a\r\nX-Host: b\r\nHostX: c\r\nVary: Host', 200],
    ] as const) {
      const socket = connect({ host: '127.0.0.1', port: server.port });
      socket.write(`GET ${path} HTTP/1.1\r\n${hosts}\r\nConnection: close\r\n\r\n`);
      const answer = Buffer.concat(await socket.toArray()).toString('latin1');
      assert.equal(statusOf(answer), status, hosts);
    }
  });
});
