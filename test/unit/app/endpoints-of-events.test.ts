import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { Flags } from '#src/config/load.ts';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { HostedClient } from '#test/fakes/hosted-client.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { needs } from '#test/setup/needs.ts';

/** Bounded by ten seconds: machines are slow. */
async function until(isSo: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!isSo()) {
    assert.ok(Date.now() < giveUpAt, 'it does not come to that');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Somebody who is told; with a certificate, over TLS. */
async function told(answer: RequestListener, tls?: { readonly cert: string; readonly key: string }) {
  let count = 0;
  const listener: RequestListener = (request, response) => {
    request.resume().once('end', () => {
      count += 1;
      answer(request, response);
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    count: () => count,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Pushes a blob to a server that tells `url` of it, which is waited for. */
async function tell(url: string, isTold: () => boolean, more: Flags = {}): Promise<LogLines> {
  await using directory = await temporaryDirectory();
  const log = new LogLines();
  const hosted = [{ repositories: ['test/**'], open: true }];
  const notifications = { endpoints: [{ url, events: ['push' as const], timeout: '2s' }] };
  const settings = { imagePath: directory.path, hosted, notifications, ...more };
  await using app = await runApp(settings, { log });
  await new HostedClient(app.server.url, 'test/app').pushBlob(Buffer.from('layer'));
  await until(isTold);
  return log;
}

describe('an endpoint of events', () => {
  it('has a certificate of an authority of its own', needs('openssl'), async () => {
    await using authority = await TestAuthority.create();
    const { certFile, keyFile } = await authority.issue('hook', 'IP:127.0.0.1');
    const pair = { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
    await using receiver = await told((_, response) => void response.end(), pair);
    const url = `https://127.0.0.1:${receiver.port}/hook`;
    await tell(url, () => receiver.count() === 1, { upstream: { ca: authority.caFile } });
    await using stranger = await told((_, response) => void response.end(), pair);
    const log = new LogLines();
    await using directory = await temporaryDirectory();
    const notifications = { endpoints: [{ url: `https://127.0.0.1:${stranger.port}/hook` }] };
    const hosted = [{ repositories: ['test/**'], open: true }];
    await using app = await runApp({ imagePath: directory.path, hosted, notifications }, { log });
    await new HostedClient(app.server.url, 'test/app').pushBlob(Buffer.from('layer'));
    await until(() => /cannot be delivered.*certificate/s.test(log.at('warn').join('\n')));
    assert.equal(stranger.count(), 0);
  });

  it('is reached through the proxy', async () => {
    await using receiver = await told((_, response) => void response.end());
    await using proxy = await FakeProxy.start();
    proxy.routes.set('hooks.example:80', receiver.port);
    const more = { upstream: { proxy: proxy.url() } };
    await tell('http://hooks.example/hook', () => receiver.count() === 1, more);
    assert.deepEqual(proxy.calls, ['POST http://hooks.example/hook']);
  });

  it('has taken what it was told when it says so, however long it goes on', async () => {
    await using receiver = await told((_, response) => {
      response.writeHead(200);
      response.write('and so on');
    });
    const log = await tell(`http://127.0.0.1:${receiver.port}/hook`, () => receiver.count() === 1);
    assert.deepEqual(log.at('warn'), []);
  });

  it('that says nothing for as long as a try may take is asked again', async () => {
    await using receiver = await told(() => {});
    const url = `http://127.0.0.1:${receiver.port}/hook`;
    const log = await tell(url, () => receiver.count() === 2);
    assert.match(log.at('warn').join('\n'), /cannot be delivered/);
  });
});
