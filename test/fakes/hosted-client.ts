import assert from 'node:assert/strict';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | ReadableStream<Uint8Array> | string | undefined;
}

export interface PushedImage {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly blobs: readonly string[];
}

/** A client that pushes to one repository, as the specification has it, step by step. */
export class HostedClient {
  readonly url: string;
  readonly repository: string;

  constructor(url: string, repository: string) {
    this.url = url;
    this.repository = repository;
  }

  /** `path`: behind the repository's name, or a Location. */
  async call(method: string, path: string, { headers, body }: Sent = {}): Promise<Response> {
    const target = path.startsWith('/') ? path : `/v2/${this.repository}/${path}`;
    return await fetch(new URL(target, this.url), {
      method,
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']>, duplex: 'half' }),
    });
  }

  /** Where the upload that has begun goes on. */
  async begin(): Promise<string> {
    const response = await this.call('POST', 'blobs/uploads/');
    assert.equal(response.status, 202);
    return locationOf(response);
  }

  /** A chunk of a blob, from byte `at` on. */
  async patch(location: string, chunk: Uint8Array, at?: number): Promise<Response> {
    const headers = at === undefined ? {} : { 'Content-Range': `${at}-${at + chunk.length - 1}` };
    return await this.call('PATCH', location, { body: chunk, headers });
  }

  async commit(location: string, digest: string, last?: Uint8Array): Promise<Response> {
    const url = new URL(location, this.url);
    url.searchParams.set('digest', digest);
    return await this.call('PUT', url.pathname + url.search, { body: last });
  }

  /** In one request. */
  async pushBlob(content: Uint8Array): Promise<string> {
    const digest = sha256(content);
    const response = await this.call('POST', `blobs/uploads/?digest=${digest}`, { body: content });
    assert.equal(response.status, 201, await response.text());
    return digest;
  }

  async putManifest(reference: string, manifest: object | Uint8Array, type = ociManifest): Promise<Response> {
    const body = manifest instanceof Uint8Array ? manifest : Buffer.from(JSON.stringify(manifest));
    return await this.call('PUT', `manifests/${reference}`, { body, headers: { 'Content-Type': type } });
  }

  /** A manifest of these layers, whose blobs are pushed, without being pushed itself. */
  async made(layers: readonly Uint8Array[], more: object = {}): Promise<PushedImage> {
    const config = Buffer.from(JSON.stringify({ layers: layers.map(sha256), more }));
    for (const content of [config, ...layers]) await this.pushBlob(content);
    const describe = (content: Uint8Array, mediaType: string) => ({
      mediaType,
      digest: sha256(content),
      size: content.length,
    });
    const manifest = {
      schemaVersion: 2,
      mediaType: ociManifest,
      config: describe(config, 'application/vnd.oci.image.config.v1+json'),
      layers: layers.map((layer) => describe(layer, 'application/vnd.oci.image.layer.v1.tar')),
      ...more,
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    return { digest: sha256(bytes), bytes, blobs: [config, ...layers].map(sha256) };
  }

  async pushImage(tag: string, layers: readonly Uint8Array[], more: object = {}): Promise<PushedImage> {
    const image = await this.made(layers, more);
    const response = await this.putManifest(tag, image.bytes);
    assert.equal(response.status, 201, await response.text());
    return image;
  }

  async status(method: string, path: string): Promise<number> {
    const response = await this.call(method, path);
    await response.arrayBuffer();
    return response.status;
  }

  async json(path: string): Promise<unknown> {
    return await (await this.call('GET', path)).json();
  }
}

export function locationOf(response: Response): string {
  const location = response.headers.get('location');
  assert.ok(location);
  return location;
}

export async function codeOf(response: Response): Promise<string> {
  const { errors } = (await response.json()) as { errors: { code: string }[] };
  return errors[0]?.code ?? '';
}
