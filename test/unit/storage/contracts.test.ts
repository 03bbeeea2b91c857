import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { MemoryMetadataStore } from '#src/storage/memory/memory-metadata-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { blobStoreContract } from '#test/contract/blob-store.contract.ts';
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

blobStoreContract('MemoryBlobStore', async () => ({
  store: new MemoryBlobStore(),
  async [Symbol.asyncDispose]() {},
}));
blobStoreContract(
  'FileBlobStore',
  async () => await inDirectory(async (directory) => await FileBlobStore.open({ directory })),
);
metadataStoreContract('MemoryMetadataStore', async () => ({
  store: new MemoryMetadataStore(),
  async [Symbol.asyncDispose]() {},
}));
metadataStoreContract(
  'SqliteMetadataStore',
  async () => await inDirectory(async (directory) => await SqliteMetadataStore.open(directory)),
);
