import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Where manifests lie in an image directory of Ociregistry 1.17: those of the tag `latest`, and the others. */
export const manifestFolders: readonly string[] = ['lts', 'img'];
/** All that it has. */
export const originalFolders: readonly string[] = ['blobs', ...manifestFolders];

/** Is a directory one? */
export async function isOriginal(directory: string): Promise<boolean> {
  const status = async (name: string) => await stat(join(directory, name)).catch(() => undefined);
  const [blobs, ...manifests] = await Promise.all(originalFolders.map(status));
  return blobs?.isDirectory() === true && manifests.some((folder) => folder?.isDirectory() === true);
}
