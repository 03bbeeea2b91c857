import type { ImageName } from '../oci/reference.ts';
import { type ImageFile, imageFiles, textOf } from './image-files.ts';
import { listedImages } from './listed-images.ts';
import { LoadError, reasonOf } from './load-error.ts';
import type { ImageToLoad } from './load-images.ts';

export interface Naming {
  /** Throws what is wrong with a name in a list. */
  readonly named: (text: string) => ImageName;
  /** Throws what is wrong with a name in Kubernetes' objects. */
  readonly namedInCluster: (text: string) => ImageName;
  readonly stdin: AsyncIterable<Uint8Array>;
}

/** What is to be loaded, each once, and what cannot be read, in words with its place. */
export interface ImagesOfFiles {
  readonly images: readonly ImageToLoad[];
  /** Tars and layouts. */
  readonly archives: readonly ImageFile[];
  readonly problems: readonly string[];
}

/** All that the files name. A mistake in one leaves the rest as it is. Throws LoadError where a name or a pattern is nothing's, or nothing is named at all. */
export async function imagesOfFiles(names: string, naming: Naming): Promise<ImagesOfFiles> {
  const images = new Map<string, ImageToLoad>();
  const archives: ImageFile[] = [];
  const problems: string[] = [];
  for (const file of await imageFiles(names)) {
    try {
      if (file.kind !== 'text') {
        archives.push(file);
        continue;
      }
      const found = await listedImages(await textOf(file, naming.stdin), file.name);
      problems.push(...found.problems);
      const named = found.isOfCluster ? naming.namedInCluster : naming.named;
      for (const { text, at } of found.images) {
        try {
          const { repository, reference } = named(text);
          images.set(`${repository} ${reference}`, { name: text, repository, reference });
        } catch (error) {
          problems.push(`${at}: ${JSON.stringify(text)}: ${reasonOf(error)}`);
        }
      }
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      problems.push(error.message);
    }
  }
  if (images.size + archives.length + problems.length === 0)
    throw new LoadError(`no image is named in ${names}`);
  return { images: [...images.values()], archives, problems };
}
