import { imagesToLoad } from '../app/load.ts';
import { readBoundedFile } from '../base/bounded-file.ts';
import type { Config } from '../config/schema.ts';
import type { ImagesOfFiles } from '../load/images-of-files.ts';
import { LoadError, reasonOf } from '../load/load-error.ts';

/** Of more names than anybody waits for. Bytes. */
const maxBytes = 32 * 1024 * 1024;

/** The images of a list as `ociregistry wanted` prints it: a name a line, or objects with `reference` in JSON. `-` is standard input. Throws LoadError. */
export async function wantedImages(
  config: Config,
  file: string,
  stdin: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<ImagesOfFiles> {
  const text = await textOf(file, stdin);
  const list = /^\s*[[{]/.test(text) ? referencesIn(text, file).join('\n') : text;
  return await imagesToLoad(config, '-', once(list), signal);
}

/** Of one object, or of a list of them, also as a member of one. */
function referencesIn(text: string, file: string): string[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new LoadError(`${JSON.stringify(file)} is not JSON`);
  }
  const lists =
    typeof json === 'object' && json !== null && !Array.isArray(json) ? Object.values(json) : [json];
  return lists.flat().flatMap((item: unknown) => {
    const reference: unknown =
      typeof item === 'object' && item !== null ? Reflect.get(item, 'reference') : undefined;
    return typeof reference === 'string' ? [reference] : [];
  });
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

async function textOf(file: string, stdin: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    if (file !== '-') return (await readBoundedFile(file, maxBytes, { orShellPipe: true })).toString();
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of stdin) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
    }
    return Buffer.concat(chunks).toString();
  } catch (error) {
    throw new LoadError(`${JSON.stringify(file)} cannot be read: ${reasonOf(error)}`);
  }
}
