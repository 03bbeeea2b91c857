import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { contentStoreContract } from '#test/contract/content-store.contract.ts';
import { inventoryContract } from '#test/contract/inventory.contract.ts';
import { metadataStoreContract } from '#test/contract/metadata-store.contract.ts';

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
const inMemory = async () => {
  const store = SqliteMetadataStore.inMemory();
  return { store, [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose]() };
};
const inFile = async () => await inDirectory(async (directory) => await SqliteMetadataStore.open(directory));

for (const [name, create] of Object.entries({ 'SQLite in memory': inMemory, 'SQLite in a file': inFile })) {
  metadataStoreContract(name, create);
  inventoryContract(name, create);
}
