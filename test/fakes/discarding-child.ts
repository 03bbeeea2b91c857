/** The process that a test forks to remove an image and a blob of it, and that is killed when it has moved the blob's file away and not said so. */
import { parseDigest } from '#src/oci/reference.ts';
import { Trash } from '#src/storage/file/trash.ts';
import { discardContent, removeManifest } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from './cache-under-test.ts';

const [directory = '', name = '', manifest = '', layer = ''] = process.argv.slice(2);
const trash = new Trash(directory);
const index = await SqliteMetadataStore.open(directory, {
  discarded: {
    take: (digest, before) => {
      if (trash.take(digest, before) === 'taken') process.kill(process.pid, 'SIGKILL');
      return 'left';
    },
    restore: (digest) => trash.restore(digest),
  },
});
await index.change([removeManifest(repository(name), parseDigest(manifest))]);
await index.change([discardContent(repository(name), [parseDigest(layer)], Date.now() + 60_000)]);
