import { imagesToLoad } from '../app/load.ts';
import type { Config } from '../config/schema.ts';
import { textOf } from '../load/image-files.ts';
import type { ImagesOfFiles } from '../load/images-of-files.ts';
import { LoadError } from '../load/load-error.ts';

/** The images of a list as `ociregistry wanted` prints it: a name a line, or objects with `reference` in JSON. `-` is standard input. Throws LoadError. */
export async function wantedImages(
  config: Config,
  file: string,
  stdin: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<ImagesOfFiles> {
  const text = await textOf(file, stdin);
  const isJson = /^\s*[[{]/.test(text);
  if (!isJson && file !== '-') return await imagesToLoad(config, file, stdin, signal);
  const list = isJson ? referencesIn(text, file).join('\n') : text;
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
