import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assertSecretless } from '#test/fakes/secrets.ts';

interface Manifest {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
}

/** What an image consists of, as one server gives it. */
export interface ImageContent {
  /** The digest that the reference stands for. */
  readonly digest: string;
  /** All manifests, index included, by digest. */
  readonly manifests: ReadonlyMap<string, Buffer>;
  readonly blobs: ReadonlyMap<string, Buffer>;
}

const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Reads a whole image over HTTP, all platforms, and checks each digest. The test’s own reader: it shares no code with src. */
export async function readImage(repositoryUrl: string, reference: string): Promise<ImageContent> {
  const manifests = new Map<string, Buffer>();
  const blobs = new Map<string, Buffer>();
  const readManifest = async (name: string): Promise<string> => {
    const bytes = await read(`${repositoryUrl}/manifests/${name}`);
    const digest = digestOf(bytes);
    if (name.startsWith('sha256:')) assert.equal(digest, name);
    manifests.set(digest, bytes);
    const manifest = JSON.parse(bytes.toString()) as Manifest;
    for (const child of manifest.manifests ?? []) await readManifest(child.digest);
    for (const blob of [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])])
      blobs.set(blob.digest, await readBlob(repositoryUrl, blob.digest));
    return digest;
  };
  return { digest: await readManifest(reference), manifests, blobs };
}

async function readBlob(repositoryUrl: string, digest: string): Promise<Buffer> {
  const bytes = await read(`${repositoryUrl}/blobs/${digest}`);
  assert.equal(digestOf(bytes), digest);
  return bytes;
}

/** The digests of all files below a directory, computed from their bytes. */
export async function digestsIn(directory: string): Promise<Set<string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const digests = files.map(async ({ parentPath, name }) => digestOf(await readFile(join(parentPath, name))));
  return new Set(await Promise.all(digests));
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function read(url: string): Promise<Buffer> {
  const response = await fetch(url, { headers: { accept }, signal: AbortSignal.timeout(30_000) });
  const bytes = Buffer.from(await response.arrayBuffer());
  assertSecretless(JSON.stringify([...response.headers]) + bytes.toString('latin1'), 'an answer');
  assert.equal(response.status, 200, `${url}: ${bytes.subarray(0, 300).toString()}`);
  return bytes;
}
