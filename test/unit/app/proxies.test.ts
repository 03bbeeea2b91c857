import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Flags } from '#src/config/load.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

/** The program behind a proxy, and a registry that the proxy alone can resolve. */
async function start(
  configured: (proxy: FakeProxy) => { flags?: Flags; env?: NodeJS.ProcessEnv; registry?: object },
) {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(await FakeProxy.start());
  const upstream = stack.use(await FakeUpstream.start());
  putImage(upstream.content, upstream.repository('team/app'), 'v1', []);
  proxy.routes.set('registry.example:80', upstream.port);
  const directory = stack.use(await temporaryDirectory());
  const log = new LogLines();
  const { flags = {}, env = {}, registry = {} } = configured(proxy);
  const app = stack.use(
    await runApp(
      {
        imagePath: directory.path,
        registries: [{ name: 'registry.example', scheme: 'http', alias: 'up', ...registry }],
        cache: { complete: false },
        ...flags,
      },
      { log, env },
    ),
  );
  const opened = stack.move();
  return {
    proxy,
    upstream,
    log,
    pull: async () => await ask(app.server, '/v2/up/team/app/manifests/v1'),
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

const call = 'GET http://registry.example/v2/team/app/manifests/v1';

describe('the program behind a proxy', () => {
  it('asks through that of upstream.proxy', async () => {
    await using made = await start((proxy) => ({ flags: { upstream: { proxy: proxy.url() } } }));
    assert.equal((await made.pull()).status, 200);
    assert.deepEqual(made.proxy.calls, [call]);
  });

  it('asks through that of the environment', async () => {
    await using made = await start((proxy) => ({ env: { http_proxy: proxy.url() } }));
    assert.equal((await made.pull()).status, 200);
    assert.deepEqual(made.proxy.calls, [call]);
  });

  it('asks through that of the registry, whatever else there is', async () => {
    await using made = await start((proxy) => ({
      registry: { upstream: { proxy: proxy.url() } },
      flags: { upstream: { proxy: 'http://127.0.0.1:1' } },
      env: { http_proxy: 'http://127.0.0.1:1' },
    }));
    assert.equal((await made.pull()).status, 200);
    assert.deepEqual(made.proxy.calls, [call]);
  });

  it('tells client and log what the proxy did, which one it was the log alone, and nobody a password', async () => {
    const userinfo = 'me:s3cret-in-tests-hunter2';
    await using made = await start((proxy) => ({ flags: { upstream: { proxy: proxy.url(userinfo) } } }));
    made.proxy.refuses = 407;
    const { status, body } = await made.pull();
    assert.equal(status, 502);
    assert.match(body.toString(), /"the proxy gave no way to http:\/\/registry\.example: it answered 407/);
    assert.match(
      made.log.lines.join('\n'),
      /the proxy 127\.0\.0\.1:\d+ gave no way to http:\/\/registry\.example: it answered 407/,
    );
    assert.doesNotMatch(`${body.toString()}${made.log.lines.join('\n')}`, /hunter2|bWU6/);
    assert.equal(made.upstream.requests.length, 0);
  });

  it('does not start with a variable that is no URL, and names it without its value', async () => {
    await using directory = await temporaryDirectory();
    const settings = { imagePath: directory.path };
    const env = { https_proxy: 'socks5://me:s3cret-in-tests-hunter2@proxy:1080' };
    await assert.rejects(runApp(settings, { env }), {
      message: 'https_proxy: SOCKS proxies are not supported: use an http or https one',
    });
    await using app = await runApp({ ...settings, airGapped: true }, { env });
    assert.ok(app.server.port > 0);
  });
});
