import { rmSync } from 'node:fs';
import { type TemporaryDirectory, temporaryDirectory } from '../e2e/support/temporary-directory.ts';

const left = new Set<string>();

process.on('exit', () => {
  for (const path of left) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
});

/** For what a server caches: gigabytes, which go also where the bench is told to end before its end. */
export async function ownDirectory(): Promise<TemporaryDirectory> {
  const directory = await temporaryDirectory();
  left.add(directory.path);
  return {
    path: directory.path,
    [Symbol.asyncDispose]: async () => {
      await directory[Symbol.asyncDispose]();
      left.delete(directory.path);
    },
  };
}
