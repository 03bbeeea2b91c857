import { access, copyFile, link } from 'node:fs/promises';
import { join } from 'node:path';

/** The list of tags that the image layout has (image-spec "Image Layout"), and the one that is kept while the index is made anew from it. */
const listName = 'index.json';
const keptName = 'rebuild.json';

/**
 * Keeps the list of tags as it is now, before it is written anew by an index that knows less; one that is kept already knows more. Where there is none, or
 * no room, none is kept.
 */
export async function keepTagList(directory: string): Promise<void> {
  const [list, kept] = [join(directory, listName), join(directory, keptName)];
  if (await isThere(kept)) return;
  // Who writes the list gives a new file its name. Not every file system has links.
  await link(list, kept).catch(async () => await copyFile(list, kept).catch(() => undefined));
}

/** Where it is; undefined: none is kept. It stays until all of it is known, for a process that is ended meanwhile. */
export async function keptTagList(directory: string): Promise<string | undefined> {
  const kept = join(directory, keptName);
  return (await isThere(kept)) ? kept : undefined;
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
