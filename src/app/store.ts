import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../base/log.ts';
import type { Digest } from '../oci/reference.ts';
import { hasUnknownSizes, keepNameList, keptNameList } from '../rebuild/kept-list.ts';
import { type ContentStore, StoreFullError } from '../storage/content-store.ts';
import type { DiscardedFiles } from '../storage/discarded-content.ts';
import type { EventQueue } from '../storage/event-queue.ts';
import { BufferPool } from '../storage/file/buffer-pool.ts';
import { FileBlobStore } from '../storage/file/file-blob-store.ts';
import { nodeFileSystem } from '../storage/file/file-system.ts';
import { makeDirectory } from '../storage/file/make-directory.ts';
import { networkFileSystem } from '../storage/file/network-file-system.ts';
import { PartialSweep } from '../storage/file/partial-files.ts';
import { putBackDiscarded } from '../storage/file/put-back-discarded.ts';
import { withRoom } from '../storage/file/store-full.ts';
import { Trash } from '../storage/file/trash.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { Inventory } from '../storage/inventory.ts';
import { MemoryBlobStore } from '../storage/memory/memory-blob-store.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { announceContent } from '../storage/operation.ts';
import type { SpoolStore } from '../storage/spool-store.ts';
import { isMarkedDamaged } from '../storage/sqlite/damage-watch.ts';
import { knowsNothing } from '../storage/sqlite/open-database.ts';
import { OwnerLocks } from '../storage/sqlite/owner-locks.ts';
import { SqliteMetadataStore } from '../storage/sqlite/sqlite-metadata-store.ts';
import type { UploadSpools } from '../storage/upload-spools.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { nameList, watchedNames } from './name-list.ts';
import type { FilePlan } from './open-files.ts';
import { type IndexSettings, openIndex } from './open-index.ts';

/** The layout of the directory that this release reads and writes. */
export const layoutVersion = 'v1';

/** Where bytes and what is known of them are kept. */
export interface Store extends AsyncDisposable {
  readonly content: ContentStore;
  readonly spools: SpoolStore;
  readonly uploads: UploadSpools;
  readonly metadata: MetadataStore;
  readonly inventory: Inventory;
  /** What leads to what; undefined: nothing can be changed, since there was no room for an index of this version. */
  readonly graph: ImageGraph | undefined;
  /** What others are still to be told; undefined: nothing can be kept until then. */
  readonly events: EventQueue | undefined;
  readonly discarded: DiscardedFiles;
  /** Says that names have changed, for other tools that read the directory. */
  readonly changed: () => void;
  /** Rejects, with the reason, while it can neither be read nor written. */
  readonly check: () => Promise<void>;
  /** What of it will be lost, though it can be used: in words. */
  readonly warning: () => Promise<string | undefined>;
  /** How the index is to be made anew; undefined: there is nothing to do. */
  readonly rebuild?: Rebuild | undefined;
}

interface Rebuild {
  /** The versioned directory. */
  readonly directory: string;
  /** The list of names; undefined: all are known, but not all sizes. */
  readonly from: string | undefined;
}

export interface StoreSettings extends IndexSettings {
  readonly memory: Pick<MemoryPlan, 'indexPages' | 'readBuffers'>;
  readonly files: Pick<FilePlan, 'writers'>;
  /** Halves of blobs that wait to be gone on with have no more. Default: as the store has it. Bytes. */
  readonly keptBytes?: number | undefined;
  /** Is the index to be made anew from what lies in the directory, though it can be read? Default: no. */
  readonly rebuilds?: boolean | undefined;
}

/**
 * Opens the cache directory, made if it is not there. A disk without any room is no reason not to start: then everything
 * passes through. Throws what else keeps it from being used.
 */
export async function openStore(imagePath: string, settings: StoreSettings): Promise<Store> {
  const { log } = settings;
  try {
    return await openDirectory(join(imagePath, layoutVersion), settings);
  } catch (error) {
    if (!(error instanceof StoreFullError)) throw error;
    log.error(
      { err: error },
      `no room in ${imagePath}: nothing is cached until there is room and the server was started again`,
    );
    const metadata = SqliteMetadataStore.inMemory({ isFull: true });
    const blobs = new MemoryBlobStore({ capacity: 0 });
    return {
      content: blobs,
      spools: blobs,
      uploads: blobs.uploads,
      metadata,
      inventory: metadata.inventory,
      graph: metadata.graph,
      events: undefined,
      discarded: { list: async () => [], remove: async () => true, frees: async () => 0 },
      changed() {},
      async check() {},
      warning: async () => 'there was no room for the cache when the server started: nothing is kept',
      [Symbol.asyncDispose]: async () => await metadata[Symbol.asyncDispose](),
    };
  }
}

async function openDirectory(directory: string, settings: StoreSettings): Promise<Store> {
  const { memory, files, keptBytes, clock, log } = settings;
  await using stack = new AsyncDisposableStack();
  await makeCache(directory);
  const network = await networkFileSystem(directory);
  if (network !== undefined) {
    log.warn(
      { directory },
      `the cache lies on ${network}: one process at a time can use it, this one does now`,
    );
  }
  const sharing = network === undefined ? 'shared' : 'alone';
  const trash = new Trash(directory);
  // One that is made now knows less than the list that lies there.
  const keepsList = settings.rebuilds === true || knowsNothing(directory);
  const index = await openIndex(directory, sharing, trash, settings);
  if (keepsList) await keepNameList(directory);
  const metadata = stack.use(index.metadata);
  const watched = await watchedIndex(metadata.path);
  const pool = new BufferPool(memory.readBuffers);
  const owners = (partial: string) => (network === undefined ? ownersIn(partial, log) : undefined);
  const brought = async (digests: readonly Digest[]): Promise<void> =>
    await metadata.change([announceContent(digests, clock.now())]);
  const missing = async (digest: Digest): Promise<void> => await putBackDiscarded(digest, trash, metadata);
  const blobs = stack.use(
    await FileBlobStore.open({
      ...{ directory, pool, maxWriters: files.writers, keptBytes, owners, brought, missing, clock, log },
    }),
  );
  stack.use(new PartialSweep(blobs.partial, clock));
  const layout = stack.use(
    nameList({
      ...{ directory, directories: blobs.directories, metadata, clock },
      onError: (error) => log.warn({ err: error }, 'index.json could not be written'),
    }),
  );
  stack.use(watchedNames(layout, metadata));
  const rebuild = await rebuildOf(directory);
  await layout.begin();
  const opened = stack.move();
  return {
    content: blobs,
    spools: blobs,
    uploads: blobs.uploads,
    metadata,
    inventory: metadata.inventory,
    graph: index.warning === undefined ? metadata.graph : undefined,
    events: index.warning === undefined ? metadata.events : undefined,
    discarded: trash,
    changed: () => layout.changed(),
    check: async () => await blobs.check(),
    warning: async () => index.warning ?? (await watched()),
    rebuild,
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

async function rebuildOf(directory: string): Promise<Rebuild | undefined> {
  const from = await keptNameList(directory);
  return from !== undefined || (await hasUnknownSizes(directory)) ? { directory, from } : undefined;
}

/** Undefined where the file system has no locks, or no room for a name: what half came is kept in this process alone then. */
function ownersIn(partial: string, log: Log): OwnerLocks | undefined {
  try {
    return new OwnerLocks(partial);
  } catch (error) {
    log.warn(
      { err: error, directory: partial },
      'no file could be locked here: a transfer that ends with this process begins anew in the next',
    );
    return undefined;
  }
}

/** In the original's words, so that whoever looks for them finds what they mean. */
async function makeCache(directory: string): Promise<void> {
  try {
    await withRoom(async () => await makeDirectory(nodeFileSystem, directory));
  } catch (error) {
    if (error instanceof StoreFullError) throw error;
    throw new Error(`unable to verify image path: ${messageOf(error)}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Tells whether the index is still the file that was opened, and is not known to be damaged. One that somebody has removed serves on to the end of the process, and
 * is not made anew before: what is known of it in memory would not be in another.
 */
async function watchedIndex(path: string): Promise<Store['warning']> {
  const identity = async (): Promise<string> => {
    const { dev, ino } = await stat(path);
    return `${dev} ${ino}`;
  };
  const opened = await identity();
  return async () => {
    if ((await identity().catch(() => undefined)) !== opened)
      return `${path} was removed or replaced: what it knows is lost when the server stops`;
    return isMarkedDamaged(path) ? `${path} is damaged: it is made anew by the next start` : undefined;
  };
}
