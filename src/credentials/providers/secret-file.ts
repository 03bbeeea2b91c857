import { open } from 'node:fs/promises';
import { RegistryError } from '../../oci/error.ts';

const maxBytes = 1024 * 1024;

/** A file that holds secrets, as text. `who` wants it, for the message. Throws DENIED. */
export async function readSecretFile(who: string, path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const buffer = Buffer.alloc(maxBytes + 1);
    let size = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, size, buffer.length - size);
      size += bytesRead;
      if (size > maxBytes) throw new Error('longer than 1 MiB');
      if (bytesRead === 0) return buffer.toString('utf8', 0, size);
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'longer than 1 MiB';
    throw new RegistryError('DENIED', `${who}: the file ${JSON.stringify(path)} cannot be read (${code})`);
  }
}
