import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** Opens no file below a directory before it is disposed of, as where a file system does not answer. */
export function hangingFiles(directory: string): Disposable {
  const { open } = promises;
  const answered = Promise.withResolvers<void>();
  promises.open = async (path, ...how): Promise<FileHandle> => {
    if (String(path).startsWith(directory)) await answered.promise;
    return await open(path, ...how);
  };
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]() {
      promises.open = open;
      syncBuiltinESMExports();
      answered.resolve();
    },
  };
}
