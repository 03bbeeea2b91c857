import { copyFile, link, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The list of names that the image layout has (image-spec "Image Layout"), and the one that is kept while the index is made anew from it. */
const listName = 'index.json';
const keptName = 'rebuild.json';
/** The same when all of it is known, and not everywhere by how many bytes. */
const knownName = 'rebuilt.json';

/**
 * Keeps the list of names as it is now, before it is written anew by an index that knows less; one that is kept already knows more. Where there is none, or
 * no room, none is kept.
 */
export async function keepNameList(directory: string): Promise<void> {
  const [list, kept] = [join(directory, listName), join(directory, keptName)];
  if ((await isFile(kept)) || !(await isFile(list))) return;
  // Who writes the list gives a new file its name. Not every file system has links.
  await link(list, kept).catch(async () => await copyFile(list, kept).catch(() => undefined));
}

/** Where it is; undefined: none is kept. It stays until all of it is known, for a process that is ended meanwhile. */
export async function keptNameList(directory: string): Promise<string | undefined> {
  const kept = join(directory, keptName);
  return (await isFile(kept)) ? kept : undefined;
}

/** All of it is known. */
export async function listIsKnown(directory: string): Promise<void> {
  await rename(join(directory, keptName), join(directory, knownName)).catch(
    async () => await rm(join(directory, keptName), { force: true }),
  );
}

/** Has an index been made anew of which not all sizes are known? */
export async function hasUnknownSizes(directory: string): Promise<boolean> {
  return await isFile(join(directory, knownName));
}

export async function sizesAreKnown(directory: string): Promise<void> {
  await rm(join(directory, knownName), { force: true });
}

/** What else lies there was not laid by us: it is neither read nor waited for. */
async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (status) => status.isFile(),
    () => false,
  );
}
