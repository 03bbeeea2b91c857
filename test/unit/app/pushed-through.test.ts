import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import type { Flags } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { TestAuthority } from '#test/fakes/certificates.ts';
import { bytes } from '#test/fakes/images.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { needs } from '#test/setup/needs.ts';

const hosted: Flags['hosted'] = [{ repositories: ['test/**'], open: true }];
const layer = bytes(100_000, 1);

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

async function call(
  url: URL,
  { body, ...options }: RequestOptions & { readonly ca?: string; readonly body?: Uint8Array } = {},
): Promise<Answer> {
  const asked = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { agent: false, ...options });
  asked.end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) };
}

/** Pushes an image to where `base` leads, each step where the one before says. Returns all that it was told. */
async function pushed(base: string, ca?: string): Promise<string[]> {
  const locations: string[] = [];
  const next = ({ headers: { location = '' } }: Answer): URL => {
    locations.push(location);
    return new URL(location, base);
  };
  const tls = ca === undefined ? {} : { ca };
  const digest = sha256(layer);
  const begun = await call(new URL(`${base}/v2/test/app/blobs/uploads/`), { ...tls, method: 'POST' });
  const half = await call(next(begun), { ...tls, method: 'PATCH', body: layer.subarray(0, 50_000) });
  assert.equal(half.status, 202);
  const rest = next(half);
  rest.searchParams.set('digest', digest);
  const blob = await call(rest, { ...tls, method: 'PUT', body: layer.subarray(50_000) });
  assert.equal(blob.status, 201);
  assert.deepEqual((await call(next(blob), tls)).body, Buffer.from(layer));
  const layers = [{ mediaType: 'application/x', digest, size: layer.length }];
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, layers }));
  const headers = { 'Content-Type': ociManifest };
  const put = await call(new URL(`${base}/v2/test/app/manifests/v1`), {
    ...{ ...tls, method: 'PUT', headers, body },
  });
  assert.equal(put.status, 201);
  assert.deepEqual((await call(next(put), tls)).body, body);
  return locations;
}

describe('a push', () => {
  it('goes on below the path of the public URL, through whoever takes that away and says so', async () => {
    await using directory = await temporaryDirectory();
    const publicUrl = 'https://registry.example/cache';
    await using app = await runApp({ imagePath: directory.path, hosted, publicUrl });
    const proxy = createServer((asked, answer) => {
      const { method, url = '', headers } = asked;
      const forwarded = {
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'evil.example',
        'x-forwarded-prefix': '/elsewhere',
      };
      const path = url.replace(/^\/cache/, '');
      const onward = httpRequest(
        { ...{ method, path, port: app.server.port }, headers: { ...headers, ...forwarded } },
        (theirs) => {
          answer.writeHead(url.startsWith('/cache/') ? (theirs.statusCode ?? 500) : 404, theirs.headers);
          theirs.pipe(answer);
        },
      );
      asked.pipe(onward);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    try {
      const locations = await pushed(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/cache`);
      assert.equal(locations.length, 4);
      for (const location of locations) assert.match(location, /^\/cache\/v2\/test\/app\/[^:]+[^?]*$/);
    } finally {
      proxy.close();
      proxy.closeAllConnections();
    }
  });

  it('over TLS goes on over TLS', needs('openssl'), async () => {
    await using authority = await TestAuthority.create();
    await using directory = await temporaryDirectory();
    const { certFile: cert, keyFile: key } = await authority.issue('server', 'IP:127.0.0.1');
    await using app = await runApp({ imagePath: directory.path, hosted, serverTlsConfig: { cert, key } });
    const locations = await pushed(app.server.url, await readFile(authority.caFile, 'utf8'));
    for (const location of locations) assert.match(location, /^\/v2\/test\/app\//);
  });
});
