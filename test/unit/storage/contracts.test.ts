import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore, type FileBlobStoreOptions } from '#src/storage/file/file-blob-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { OwnerLocks } from '#src/storage/sqlite/owner-locks.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { contentStoreContract } from '#test/contract/content-store.contract.ts';
import { eventQueueContract } from '#test/contract/event-queue.contract.ts';
import { imageGraphContract } from '#test/contract/image-graph.contract.ts';
import { inventoryContract } from '#test/contract/inventory.contract.ts';
import { metadataStoreContract } from '#test/contract/metadata-store.contract.ts';
import { type MadeSpools, spoolStoreContract } from '#test/contract/spool-store.contract.ts';
import { uploadSpoolsContract } from '#test/contract/upload-spools.contract.ts';
import { LimitedFiles } from '#test/fakes/limited-files.ts';

/** A store in a directory of its own that goes with it. */
async function inDirectory<Store extends AsyncDisposable>(open: (directory: string) => Promise<Store>) {
  const directory = await mkdtemp(join(tmpdir(), 'ociregistry-'));
  const store = await open(directory);
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}

contentStoreContract('MemoryBlobStore', async () => ({
  store: new MemoryBlobStore(),
  async [Symbol.asyncDispose]() {},
}));
contentStoreContract(
  'FileBlobStore',
  async () => await inDirectory(async (directory) => await FileBlobStore.open({ directory })),
);

async function bytesOfSpools(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter((name) => /^spool\.[0-9a-f.]+$/.test(name));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function spoolsInFiles(owners?: FileBlobStoreOptions['owners']): Promise<MadeSpools> {
  const files = new LimitedFiles();
  const partial: string[] = [];
  const made = await inDirectory(async (directory) => {
    partial.push(join(directory, 'partial'));
    return await FileBlobStore.open({ directory, files, ...(owners === undefined ? {} : { owners }) });
  });
  return {
    ...made,
    used: async () => await bytesOfSpools(partial[0] ?? ''),
    limit: (bytes) => {
      files.capacity = files.used + bytes;
    },
  };
}

spoolStoreContract('MemoryBlobStore', async () => {
  const store = new MemoryBlobStore();
  return {
    store,
    used: async () => {
      const blobs = await Array.fromAsync(store.list());
      return store.used - blobs.reduce((sum, { size }) => sum + size, 0);
    },
    limit: (bytes) => {
      store.capacity = store.used + bytes;
    },
    async [Symbol.asyncDispose]() {},
  };
});
spoolStoreContract('FileBlobStore', async () => await spoolsInFiles((partial) => new OwnerLocks(partial)));
spoolStoreContract('FileBlobStore of nobody knows whom', async () => await spoolsInFiles());

uploadSpoolsContract('MemoryBlobStore', async () => ({
  store: new MemoryBlobStore(),
  async [Symbol.asyncDispose]() {},
}));
const owners = (partial: string) => new OwnerLocks(partial);
for (const [name, options] of Object.entries({
  FileBlobStore: { owners },
  'FileBlobStore of nobody knows whom': {},
}))
  uploadSpoolsContract(
    name,
    async () => await inDirectory(async (directory) => await FileBlobStore.open({ directory, ...options })),
  );

const inMemory = async () => {
  const store = SqliteMetadataStore.inMemory();
  return { store, [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose]() };
};
const inFile = async () => await inDirectory(async (directory) => await SqliteMetadataStore.open(directory));

for (const [name, create] of Object.entries({ 'SQLite in memory': inMemory, 'SQLite in a file': inFile })) {
  metadataStoreContract(name, create);
  inventoryContract(name, create);
  imageGraphContract(name, create);
  eventQueueContract(name, create);
}
