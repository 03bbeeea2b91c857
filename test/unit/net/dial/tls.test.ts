import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { staticCredentials } from '#src/credentials/credentials.ts';
import { type TlsSettings, TlsTrust } from '#src/net/dial/tls-trust.ts';
import { sha256 } from '#src/oci/digest.ts';
import { parseTag } from '#src/oci/reference.ts';
import type { UpstreamSettings } from '#src/upstream/upstream.ts';
import { type KeyPair, serverKeys, TestAuthority } from '#test/fakes/certificates.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { someNames } from '#test/fakes/names.ts';
import { openUpstream } from '#test/fakes/open-upstream.ts';
import { secret } from '#test/fakes/secrets.ts';
import { basicAuth, failing, on, redirected } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';
import { needs } from '#test/setup/needs.ts';

const tag = parseTag('v1');
const layer = bytes(1_000_000);
let authority: TestAuthority;
let server: KeyPair;
let client: KeyPair;

async function start(settings: Partial<UpstreamSettings> = {}, wantsClient = false) {
  const ca = await readFile(authority.caFile);
  const made = await UpstreamUnderTest.start(settings, {
    tls: { ...(await serverKeys(server)), ...(wantsClient && { requestCert: true, ca }) },
  });
  putImage(made.upstream.content, made.name, tag, [layer]);
  return made;
}

async function resolves(tls: TlsSettings, trust = new TlsTrust({})): Promise<void> {
  await using made = await start({ tls, trust });
  await made.registry.resolveManifest(made.name, tag);
  await pull(made);
}

/** Blobs come by a wire of their own. */
async function pull(made: UpstreamUnderTest): Promise<void> {
  const digest = sha256(layer);
  await using reader = await made.registry.getBlob(made.name, digest);
  assert.ok((await collect(reader.body)).equals(layer));
}

describe('TLS', needs('openssl'), () => {
  before(async () => {
    authority = await TestAuthority.create();
    server = await authority.issue('server', 'DNS:localhost,IP:127.0.0.1,IP:::1');
    client = await authority.issue('client', 'DNS:client');
  });
  after(async () => await authority[Symbol.asyncDispose]());

  describe('a registry with a certificate of a private authority', () => {
    it('is not believed, and its error says why but not more', async () => {
      await assert.rejects(resolves({}), {
        code: 'UNAVAILABLE',
        status: 502,
        message:
          /^no answer from https:\/\/127\.0\.0\.1:\d+ \(its certificate authority is not known; .* [A-Z_]+\)$/,
      });
    });

    it('is asked once: a wrong certificate will not be right a moment later', async () => {
      await using made = await start({ trust: new TlsTrust({}) });
      await made.registry.resolveManifest(made.name, tag).catch(() => undefined);
      assert.equal(made.upstream.requests.length, 0);
    });

    it('is believed with tls.ca', async () => await resolves({ caFiles: [authority.caFile] }));

    it('is believed with SSL_CERT_FILE, and with SSL_CERT_DIR', async () => {
      await resolves({}, new TlsTrust({ SSL_CERT_FILE: authority.caFile }));
      await resolves(
        {},
        new TlsTrust({ SSL_CERT_DIR: `/nonexistent:${authority.caFile.replace(/\/[^/]*$/, '')}` }),
      );
    });

    it('is believed without a look where insecureSkipVerify says so', async () => {
      await resolves({ insecureSkipVerify: true });
    });

    it('is not believed under another name', async () => {
      const other = await authority.issue('other', 'DNS:other.example');
      await using made = await UpstreamUnderTest.start(
        { tls: { caFiles: [authority.caFile] }, trust: new TlsTrust({}) },
        { tls: await serverKeys(other) },
      );
      await assert.rejects(made.registry.resolveManifest(made.name, tag), {
        status: 502,
        message: /ERR_TLS_CERT_ALTNAME_INVALID/,
      });
      await assert.rejects(pull(made), { status: 502, message: /ERR_TLS_CERT_ALTNAME_INVALID/ });
    });

    it('is an error that names the file where a file is missing or no certificate, and is right when that is', async () => {
      const missing = `${authority.caFile}.missing`;
      await assert.rejects(resolves({ caFiles: [missing] }), {
        code: 'UNAVAILABLE',
        message: 'cannot read the TLS file',
        forOperator: `cannot read the TLS file ${missing}`,
      });
      const empty = await authority.file('empty.crt', '');
      await assert.rejects(resolves({ caFiles: [empty] }), {
        code: 'UNAVAILABLE',
        message: 'the TLS file is no PEM, or not the whole of one',
        forOperator: `the TLS file ${empty} is no PEM, or not the whole of one`,
      });
      const pem = '-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n';
      const broken = await authority.file('broken.crt', pem);
      const key = await authority.file('broken.key', pem);
      await assert.rejects(resolves({ certFile: broken, keyFile: key }), {
        code: 'UNAVAILABLE',
        message: 'the TLS files cannot be used',
        forOperator: `the TLS files cannot be used: ${broken}, ${key}`,
      });
      const clock = new FakeClock();
      await using made = await start({ tls: { caFiles: [missing] }, trust: new TlsTrust({}), clock });
      await assert.rejects(made.registry.resolveManifest(made.name, tag));
      await clock.advance(2000);
      await authority.file('ca.crt.missing', await readFile(authority.caFile, 'utf8'));
      await made.registry.resolveManifest(made.name, tag);
    });
  });

  describe('a registry that asks for a client certificate', () => {
    it('is shown it', async () => {
      await using made = await start({ tls: { caFiles: [authority.caFile], ...client } }, true);
      await made.registry.resolveManifest(made.name, tag);
      await pull(made);
    });

    it('refuses whoever has none', async () => {
      await using made = await start({ tls: { caFiles: [authority.caFile] } }, true);
      await assert.rejects(made.registry.resolveManifest(made.name, tag), {
        code: 'UNAVAILABLE',
        status: 502,
      });
      await assert.rejects(pull(made), { code: 'UNAVAILABLE', status: 502 });
    });

    it('is not shown it when a redirect leads to it', async () => {
      await using cdn = await start({}, true);
      await using made = await UpstreamUnderTest.start();
      made.spoil(redirected(cdn.upstream.origin.replace('127.0.0.1', 'localhost')));
      await using registry = openUpstream(made.upstream, {
        tls: { caFiles: [authority.caFile], ...client },
        names: someNames({ resolve: async () => [{ address: '127.0.0.1', family: 4 }] }),
      });
      await assert.rejects(registry.resolveManifest(made.name, tag), { code: 'UNAVAILABLE', status: 502 });
      await assert.rejects(registry.getBlob(made.name, sha256(layer)), { code: 'UNAVAILABLE', status: 502 });
      assert.equal(cdn.upstream.requests.length, 0);
    });
  });

  describe('blobsOverHttp', () => {
    const password = secret('p');
    const credentials = staticCredentials({ kind: 'basic', username: 'me', password });
    const challenge = { 'WWW-Authenticate': 'Basic realm="x"' };

    /** An https registry that wants a password and redirects this to a store that speaks http and wants one, too. */
    async function redirects(what: string, settings: Partial<UpstreamSettings>) {
      const store = await UpstreamUnderTest.start();
      putImage(store.upstream.content, store.name, tag, [layer]);
      const made = await start({ tls: { caFiles: [authority.caFile] }, credentials, ...settings });
      made.spoil(basicAuth('me', password), on(what, redirected(store.upstream.origin)));
      return { made, store };
    }

    it('lets blobs come from a store without https, and no password go there', async () => {
      const { made, store } = await redirects('GET /v2/library/alpine/blobs', { blobsOverHttp: true });
      await using _made = made;
      await using _store = store;
      await pull(made);
      store.spoil(failing(401, challenge));
      await assert.rejects(pull(made), { code: 'DENIED' });
      assert.ok(store.upstream.requests.length >= 2);
      for (const { headers } of store.upstream.requests) assert.equal(headers.authorization, undefined);
    });

    it('lets no manifest come from there, nor a blob where it does not say so', async () => {
      for (const [what, settings] of [
        ['GET /v2/library/alpine/manifests', { blobsOverHttp: true }],
        ['GET /v2/library/alpine/', {}],
      ] as const) {
        const { made, store } = await redirects(what, settings);
        await using _made = made;
        await using _store = store;
        await assert.rejects(made.registry.getManifest(made.name, tag), {
          status: 502,
          message: /not https/,
        });
        if (!('blobsOverHttp' in settings))
          await assert.rejects(pull(made), { message: /blobsOverHttp: true/ });
        assert.equal(store.upstream.requests.length, 0);
      }
    });

    it('opens no private address to a registry that may not lead there', async () => {
      const { made, store } = await redirects('GET /v2/library/alpine/blobs', { blobsOverHttp: true });
      await using _made = made;
      await using _store = store;
      made.spoil(redirected('http://169.254.169.254'));
      await assert.rejects(pull(made), { code: 'DENIED', message: /not public/ });
    });
  });

  describe('insecureSkipVerify', () => {
    it('is for the registry’s own host alone', async () => {
      await using cdn = await start();
      await using made = await start();
      made.spoil(redirected(cdn.upstream.origin.replace('127.0.0.1', 'localhost')));
      await using registry = openUpstream(made.upstream, {
        tls: { insecureSkipVerify: true },
        trust: new TlsTrust({}),
        names: someNames({ resolve: async () => [{ address: '127.0.0.1', family: 4 }] }),
      });
      await assert.rejects(registry.resolveManifest(made.name, tag), {
        code: 'UNAVAILABLE',
        message: /localhost/,
      });
      await assert.rejects(registry.getBlob(made.name, sha256(layer)), { message: /localhost/ });
    });
  });

  describe('a registry on IPv6', () => {
    for (const secure of [false, true]) {
      it(`is asked at its address over ${secure ? 'https' : 'http'}`, async () => {
        await using made = await UpstreamUnderTest.start(
          { tls: { caFiles: [authority.caFile] } },
          { address: '::1', ...(secure && { tls: await serverKeys(server) }) },
        );
        const { manifest } = putImage(made.upstream.content, made.name, tag, [layer]);
        assert.match(made.upstream.host, /^\[::1\]:\d+$/);
        assert.equal((await made.registry.resolveManifest(made.name, tag)).digest, manifest.digest);
        await pull(made);
        for (const { host } of made.upstream.requests) assert.equal(host, made.upstream.host);
      });
    }
  });
});
