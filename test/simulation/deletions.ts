import { hash } from 'node:crypto';
import { basename } from 'node:path';
import type { FileContent } from './file-content.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** Nothing is deleted, or put aside, but what is damaged: the right bytes under their own name must stay. */
export function checkRemoval(world: World, path: string, content: FileContent): void {
  const name = basename(path);
  if (!path.includes('/blobs/') || hash('sha256', content.read(0, content.size), 'hex') !== name) return;
  sayDeleted(world, `sha256:${name}`);
}

export function sayDeleted({ findings, ledger }: World, digest: string): void {
  findings.add('no deletion by a claim', short(`${digest} was right and is deleted`));
  // One finding is enough.
  ledger.forgetDigest(digest);
}
