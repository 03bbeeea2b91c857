import { setImmediate } from 'node:timers/promises';
import type { Digest } from '../oci/reference.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { CheckedFile } from './checked-file.ts';
import type { FileCheck, FileCheckParts } from './file-check.ts';

/** In one go; each is a file to be read. */
const pageSize = 100;

/** All that the index says is here, one after the other. */
export async function* checkKnown(
  { metadata }: { readonly metadata: Pick<MetadataStore, 'listStored'> },
  check: FileCheck,
  signal: AbortSignal,
): AsyncGenerator<CheckedFile> {
  for await (const digest of stored(metadata, signal)) yield* looked(await check.look(digest, signal));
}

/** Of that what was never found right, so that its size is not known. */
export async function* checkUnsized(
  { metadata }: { readonly metadata: Pick<MetadataStore, 'listStored' | 'blobSize'> },
  check: FileCheck,
  signal: AbortSignal,
): AsyncGenerator<CheckedFile> {
  for await (const digest of stored(metadata, signal))
    if ((await metadata.blobSize(digest)) === undefined) yield* looked(await check.look(digest, signal));
}

async function* stored(
  metadata: Pick<MetadataStore, 'listStored'>,
  signal: AbortSignal,
): AsyncGenerator<Digest> {
  for (let after: Digest | undefined; ; ) {
    const { digests, next } = await metadata.listStored({ after, limit: pageSize });
    yield* digests;
    if (next === undefined) return;
    after = next;
    signal.throwIfAborted();
    await setImmediate();
  }
}

/** What lies beside that under the name of a digest: nobody is served it, and whoever fetches it replaces it. */
export async function* checkOthers(
  { metadata, content }: Pick<FileCheckParts, 'metadata' | 'content'>,
  check: FileCheck,
  signal: AbortSignal,
): AsyncGenerator<CheckedFile> {
  for await (const { digest } of content.list()) {
    signal.throwIfAborted();
    const known = await metadata.getChecked(digest);
    if (known?.isHere !== true) yield* looked(await check.look(digest, signal));
  }
}

function looked(found: CheckedFile | undefined): readonly CheckedFile[] {
  return found === undefined ? [] : [found];
}
