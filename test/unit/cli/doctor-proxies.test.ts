import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  alpine,
  type Diagnosis,
  diagnose,
  diagnoseWith,
  lastStep,
  outcomeOf,
  plain,
  reached,
  runDoctor,
  startUpstream,
} from '#test/fakes/diagnosis.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { assertSecretless, secret } from '#test/fakes/secrets.ts';
import { bearerAuth } from '#test/fakes/upstream-faults.ts';

const userinfo = `me:${secret('proxy')}`;

/** A registry that only the proxy finds. */
const behind = (proxy: string, scheme = 'http') => ({
  registries: [{ name: 'registry.example', scheme, upstream: { proxy } }],
});
const proxyRow = ({ reports: [report] }: Diagnosis): string | undefined => report?.settings.proxy;

/** A proxy that has ended: nobody listens at its port. */
async function deadProxy(): Promise<{ url: string; host: string }> {
  await using proxy = await FakeProxy.start();
  return { url: proxy.url(userinfo), host: `127.0.0.1:${proxy.port}` };
}

describe('ociregistry doctor, through a proxy', () => {
  it('goes that way, shows which proxy it is, and that the proxy resolves', async () => {
    await using proxy = await FakeProxy.start();
    await using upstream = await startUpstream();
    proxy.routes.set('registry.example:80', upstream.port);
    const found = await diagnose(behind(proxy.url(userinfo)), 'registry.example/library/alpine:v1');
    assert.equal(found.code, 0, found.text);
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge needless', 'token needless', 'answer ok']);
    const host = `127.0.0.1:${proxy.port}`;
    assert.equal(proxyRow(found), `${host} (upstream.proxy)`);
    const [, address, connection] = found.reports[0]?.steps ?? [];
    assert.equal(address?.detail, `the proxy ${host} resolves registry.example`);
    assert.equal(connection?.detail, `through the proxy ${host}, plain http`);
    const call = 'HEAD http://registry.example/v2/library/alpine/manifests/v1';
    assert.deepEqual(proxy.calls, [call, call]);
  });

  it('names the variable that the proxy comes from', async () => {
    await using proxy = await FakeProxy.start();
    await using upstream = await startUpstream();
    proxy.routes.set('registry.example:80', upstream.port);
    const config = { registries: [{ name: 'registry.example', scheme: 'http' }] };
    const found = await diagnoseWith({ HTTP_PROXY: proxy.url(userinfo) }, config);
    assert.equal(found.code, 0, found.text);
    assert.equal(proxyRow(found), `127.0.0.1:${proxy.port} (HTTP_PROXY)`);
    assert.deepEqual(proxy.calls, Array(2).fill('GET http://registry.example/v2/'));
  });

  it('names the exception by which a registry is reached without it', async () => {
    await using proxy = await FakeProxy.start();
    await using upstream = await startUpstream();
    const found = await diagnose({
      ...plain(upstream),
      upstream: { proxy: proxy.url(userinfo), noProxy: ['10.0.0.0/8', '127.0.0.1'] },
    });
    assert.equal(found.code, 0, found.text);
    assert.equal(proxyRow(found), 'none: upstream.noProxy has 127.0.0.1 (else that of upstream.proxy)');
    const ours = await diagnoseWith({ http_proxy: proxy.url(userinfo) }, plain(upstream));
    assert.equal(proxyRow(ours), 'none: this machine itself (else that of http_proxy)');
    assert.equal(proxy.accepted, 0);
  });

  for (const scheme of ['http', 'https']) {
    it(`finds a dead proxy at the connection to a registry of ${scheme}, and names its key`, async () => {
      const { url, host } = await deadProxy();
      const found = await diagnose(behind(url, scheme));
      assert.equal(found.code, 1);
      assert.deepEqual(outcomeOf(found), ['credential ok', 'address needless', 'connection failed']);
      assert.match(lastStep(found).detail, new RegExp(`the proxy ${host}, .*ECONNREFUSED.*\\(3 tries\\)$`));
      assert.match(lastStep(found).advice, /^Does the proxy run.* upstream\.proxy\. .*upstream\.noProxy/);
    });
  }

  it('finds a proxy whose name is not known at the connection, not at the address', async () => {
    const found = await diagnose(behind(`http://${userinfo}@proxy.invalid:3128`, 'https'));
    assert.deepEqual(outcomeOf(found), ['credential ok', 'address needless', 'connection failed']);
    assert.match(lastStep(found).detail, /the proxy proxy\.invalid:3128.*ENOTFOUND/);
    assert.match(lastStep(found).advice, /Does the proxy run/);
  });

  const refusals: [status: number, scheme: string, detail: RegExp, advice: RegExp][] = [
    [407, 'http', /it answered 407 \(it wants user and password/, /percent-encoded: HTTP_PROXY\./],
    [407, 'https', /it answered 407 \(it wants user and password/, /percent-encoded: HTTPS_PROXY\./],
    [403, 'https', /it answered 403 \(its rules/, /CONNECT through to registry\.example:443\. .*NO_PROXY/],
    [502, 'https', /it answered 502 \(it could not/, /\(HTTPS_PROXY\) is reached .*upstream\.noProxy/],
  ];
  for (const [status, scheme, detail, advice] of refusals) {
    it(`finds a proxy that answers ${status} at the connection to a registry of ${scheme}`, async () => {
      await using proxy = await FakeProxy.start();
      proxy.refuses = status;
      const env = { HTTP_PROXY: proxy.url(userinfo), HTTPS_PROXY: proxy.url(userinfo) };
      const found = await diagnoseWith(env, { registries: [{ name: 'registry.example', scheme }] });
      assert.equal(found.code, 1);
      assert.deepEqual(outcomeOf(found), ['credential ok', 'address needless', 'connection failed']);
      assert.match(lastStep(found).detail, detail);
      assert.match(lastStep(found).advice, advice);
    });
  }

  const ambiguous: [status: number, step: string][] = [
    [401, 'challenge failed'],
    [403, 'answer failed'],
    [503, 'answer failed'],
  ];
  for (const [status, step] of ambiguous) {
    it(`says that a ${status} without a tunnel may be the proxy’s`, async () => {
      await using proxy = await FakeProxy.start();
      proxy.refuses = status;
      const found = await diagnose(behind(proxy.url(userinfo)));
      assert.equal(outcomeOf(found).at(-1), step);
      assert.match(lastStep(found).advice, /proxy \(upstream\.proxy\).*upstream\.noProxy/);
    });
  }

  it('tells a proxy that is dead on the way to the token server from a registry that is', async () => {
    const { url, host } = await deadProxy();
    await using upstream = await startUpstream(
      {},
      bearerAuth('https://auth.example/token', () => false),
    );
    const found = await diagnoseWith({ HTTPS_PROXY: url }, plain(upstream), alpine(upstream));
    assert.deepEqual(outcomeOf(found), [...reached, 'challenge ok', 'token failed']);
    assert.match(lastStep(found).detail, new RegExp(`the proxy ${host}, by which https://auth\\.example`));
    assert.match(lastStep(found).advice, /Does the proxy run.* HTTPS_PROXY\./);
  });

  it('asks nothing with a variable that is no proxy, and names it without its value', async () => {
    await using upstream = await startUpstream();
    const env = { HTTPS_PROXY: `ftp://${userinfo}@proxy` };
    const { code, stdout, stderr } = await runDoctor(plain(upstream), ['doctor'], env);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^HTTPS_PROXY: must be an http or https URL$/m);
    assertSecretless(stderr, 'what the doctor says');
    assert.equal(upstream.connections, 0);
  });
});
