import { randomBytes } from 'node:crypto';
import { jsonMembers } from '../json/json-members.ts';
import { LoadError, reasonOf } from '../load/load-error.ts';
import { isObject } from '../oci/descriptor.ts';
import { Fault } from '../oci/fault.ts';
import { type Digest, isDigestText } from '../oci/reference.ts';
import { isNonce, isProof, newNonce } from './possession.ts';

/** What a bundle is called, beside its blobs. */
export const listName = 'bundle.json';

/** A tar of a bundle. */
export interface Chunk {
  /** Without a folder. */
  readonly file: string;
  /** Both absent in the list that stands in this very tar. `size` in bytes. */
  readonly size?: number | undefined;
  readonly sha256?: string | undefined;
}

/** A blob or manifest that a bundle's images have. */
export interface ListedBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** That whoever made the bundle had its bytes; see possession.ts. */
  readonly proof: string;
  /** The tar that it is in, counted from 1; undefined: an earlier bundle has it. */
  readonly chunk: number | undefined;
}

/** What identifies a bundle. */
export interface BundleHead {
  readonly id: string;
  /** The id of the bundle that it goes on from. */
  readonly since: string | undefined;
  readonly nonce: string;
}

export function newHead(since: BundleHead | undefined): BundleHead {
  return { id: randomBytes(16).toString('hex'), since: since?.id, nonce: since?.nonce ?? newNonce() };
}

/** bundle.json, version 1 (docs/explanation/bundles.md): an entry a line, so that it can be read as it comes. */
export function* listText(
  head: BundleHead,
  createdAt: number,
  chunks: readonly Chunk[],
  blobs: Iterable<ListedBlob>,
): Generator<string> {
  const { id, since, nonce } = head;
  const created = new Date(createdAt).toISOString();
  const first = JSON.stringify({ kind: 'ociregistry bundle', version: 1, id, since, nonce, created });
  yield `${first.slice(0, -1)},\n"chunks":[`;
  yield* lines(chunks);
  yield '],\n"blobs":[';
  yield* lines(blobs);
  yield ']}\n';
}

function* lines(items: Iterable<unknown>): Generator<string> {
  let separator = '\n';
  for (const item of items) {
    yield separator + JSON.stringify(item);
    separator = ',\n';
  }
}

/** A bundle.json that was read. */
export interface BundleList {
  readonly head: BundleHead;
  readonly chunks: readonly Chunk[];
  readonly blobs: ReadonlyMap<Digest, ListedBlob>;
}

/** More than anybody has. */
const maxBlobs = 2_000_000;
const maxChunks = 100_000;

/** Reads bundle.json. Throws LoadError for what is none, or is of a later version. */
export async function readList(bytes: AsyncIterable<Uint8Array>, name: string): Promise<BundleList> {
  const head: Record<string, unknown> = {};
  const chunks: Chunk[] = [];
  const blobs = new Map<Digest, ListedBlob>();
  try {
    for await (const { key, value, isEntry } of jsonMembers(bytes, JSON.stringify(name))) {
      if (!isEntry) head[key] = value;
      else if (key === 'chunks') chunks.push(...chunkIn(value));
      else if (key === 'blobs') for (const blob of blobIn(value)) blobs.set(blob.digest, blob);
      if (blobs.size > maxBlobs || chunks.length > maxChunks)
        throw new LoadError(`${JSON.stringify(name)} has more than ${maxBlobs} blobs or ${maxChunks} tars`);
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new LoadError(reasonOf(error));
  }
  return { head: headIn(head, name), chunks, blobs };
}

function headIn({ kind, version, id, since, nonce }: Record<string, unknown>, name: string): BundleHead {
  if (kind !== 'ociregistry bundle') throw new LoadError(`${JSON.stringify(name)} is no list of a bundle`);
  if (version !== 1)
    throw new LoadError(`${JSON.stringify(name)} is of a version that only a newer ociregistry reads`);
  if (typeof id !== 'string' || !isNonce(nonce))
    throw new LoadError(`${JSON.stringify(name)} lacks its id or nonce`);
  return { id, since: typeof since === 'string' ? since : undefined, nonce };
}

function chunkIn(value: unknown): Chunk[] {
  if (!isObject(value)) return [];
  const { file, size, sha256 } = value;
  if (typeof file !== 'string' || file === '' || file.length > 255 || file.includes('/')) return [];
  return [
    {
      file,
      size: typeof size === 'number' ? size : undefined,
      sha256: typeof sha256 === 'string' ? sha256 : undefined,
    },
  ];
}

function blobIn(value: unknown): ListedBlob[] {
  if (!isObject(value)) return [];
  const { digest, size, proof, chunk } = value;
  if (typeof digest !== 'string' || !isDigestText(digest)) return [];
  if (typeof size !== 'number' || !isProof(proof)) return [];
  return [{ digest, size, proof, chunk: typeof chunk === 'number' ? chunk : undefined }];
}
