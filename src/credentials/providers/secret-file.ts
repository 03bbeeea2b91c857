import { readBoundedFile } from '../../base/bounded-file.ts';
import { RegistryError } from '../../oci/error.ts';

const maxBytes = 1024 * 1024;

/** A file that holds secrets, as text. `who` wants it, for the message. Throws DENIED. */
export async function readSecretFile(who: string, path: string): Promise<string> {
  try {
    return (await readBoundedFile(path, maxBytes)).toString('utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RegistryError('DENIED', `${who}: the file ${JSON.stringify(path)}: ${reason}`);
  }
}
