import type { VerifiedBlob } from '../../oci/digest.ts';
import { BlobUnreadableError, type StoredBlob } from '../content-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import { codeOf, type File, type FileSystem, stampOf } from './file-system.ts';
import type { PartialFile } from './partial-file.ts';
import type { Publisher } from './publisher.ts';
import { readLoop } from './read-loop.ts';
import type { StoreDirectories } from './store-directories.ts';
import { withRoom } from './store-full.ts';

export interface AdoptParts {
  readonly files: FileSystem;
  readonly directories: StoreDirectories;
  readonly pool: BufferPool;
  readonly publisher: Publisher;
  /** The name that it has until it is a blob. */
  readonly partial: PartialFile;
}

/** Another file system, one without second names, a file with too many, or one that the system links for nobody but its owner (`protected_hardlinks`). */
const cannotLink = new Set(['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

/** As {@link ContentStore.adopt}. */
export async function adoptFile(
  path: string,
  verify: (bytes: AsyncIterable<Uint8Array>) => Promise<VerifiedBlob>,
  parts: AdoptParts,
): Promise<StoredBlob | undefined> {
  const { files, partial } = parts;
  if (!(await isLinked(path, parts))) {
    partial[Symbol.dispose]();
    return undefined;
  }
  try {
    await using file = await files.open(partial.path, 'r');
    return await publish(file, verify, parts);
  } finally {
    await partial.remove();
  }
}

async function isLinked(path: string, { files, directories, partial }: AdoptParts): Promise<boolean> {
  const { link } = files;
  if (link === undefined) return false;
  try {
    await withRoom(async () => await directories.within(async () => await link(path, partial.path)));
    return true;
  } catch (error) {
    if (cannotLink.has(codeOf(error) ?? '')) return false;
    partial[Symbol.dispose]();
    if (codeOf(error) === 'ELOOP')
      throw new BlobUnreadableError(`${path} is no plain file`, { cause: error });
    throw error;
  }
}

async function publish(
  file: File,
  verify: (bytes: AsyncIterable<Uint8Array>) => Promise<VerifiedBlob>,
  { directories, pool, publisher, partial }: AdoptParts,
): Promise<StoredBlob> {
  const before = await file.stat({ bigint: true });
  const last = Number(before.size) - 1;
  const { digest, size } = await verify(readLoop(file, { first: 0, last }, pool));
  const after = await file.stat({ bigint: true });
  if (Number(after.size) !== size || after.mtimeNs !== before.mtimeNs)
    throw new BlobUnreadableError('it was written to while it was read');
  await publisher.publish(file, partial.path, directories.blob(digest));
  // Where that is a name of the same file it leaves the first one, and the end of that is a change of the file as well.
  await partial.remove();
  const stamp = await file.stat({ bigint: true }).then(stampOf, () => undefined);
  // Who has written to it since has it hashed when it is first read.
  return { digest, size, stamp: stamp?.modifiedAt === before.mtimeNs ? stamp : undefined };
}
