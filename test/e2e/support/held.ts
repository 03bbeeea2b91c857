import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import type { Client } from './client.ts';
import { digestOf, type ImageContent } from './content.ts';

interface Index {
  readonly manifests?: readonly {
    readonly digest: string;
    readonly platform?: { readonly architecture: string };
  }[];
}

interface Image {
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
}

const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

/** What of an image a client takes: all, or what this machine would run and the index that names it. */
export function takenBy({ takes }: Client, content: ImageContent): ImageContent {
  if (takes === 'everything') return content;
  const root = content.manifests.get(content.digest) ?? Buffer.from('{}');
  const { manifests = [] } = JSON.parse(root.toString()) as Index;
  const chosen = manifests.find(({ platform }) => platform?.architecture === architecture)?.digest;
  const image = content.manifests.get(chosen ?? content.digest) ?? root;
  const { config, layers = [] } = JSON.parse(image.toString()) as Image;
  const digests = [config, ...layers].flatMap((blob) => blob?.digest ?? []);
  return {
    digest: content.digest,
    manifests: new Map(
      [...content.manifests].filter(([digest]) => [content.digest, chosen].includes(digest)),
    ),
    blobs: new Map([...content.blobs].filter(([digest]) => digests.includes(digest))),
  };
}

/** That a client holds all that it takes of an image, bit for bit. */
export function assertHolds(held: ReadonlySet<string>, client: Client, content: ImageContent): void {
  const { manifests, blobs } = takenBy(client, content);
  const isUnpacked = client.keeps === 'unpacked';
  const layers = [...blobs].map(([digest, bytes]) => (isUnpacked ? unpackedDigest(bytes) : digest));
  for (const digest of [...manifests.keys(), ...layers]) assert.ok(held.has(digest), `holds ${digest}`);
}

function unpackedDigest(bytes: Buffer): string {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return digestOf(isGzip ? gunzipSync(bytes) : bytes);
}
