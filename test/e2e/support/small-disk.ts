import { execFileSync } from 'node:child_process';
import { temporaryDirectory } from './temporary-directory.ts';

/** A file system of its own that is soon full. */
export async function smallDisk(): Promise<AsyncDisposable & { path: string }> {
  const directory = await temporaryDirectory();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', directory.path]);
  return {
    path: directory.path,
    async [Symbol.asyncDispose]() {
      execFileSync('umount', ['--lazy', directory.path]);
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Does this user, on this machine? */
export function canMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
