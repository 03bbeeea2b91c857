import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { ArchiveBlobs } from '../load/archive/archive-blobs.ts';
import { imported } from '../load/archive/archive-load.ts';
import type { BroughtBlob } from '../load/archive/import-image.ts';
import { type LoadError, reasonOf } from '../load/load-error.ts';
import type { LoadedImage } from '../load/load-images.ts';
import { Tally } from '../load/tally.ts';
import type { Digest } from '../oci/reference.ts';
import { type BundleList, listName, readList } from './bundle-list.ts';
import { EarlierContent } from './earlier-content.ts';
import { FoundContent } from './found-content.ts';
import type { FoundImage, ImageSource } from './image-source.ts';
import type { ImportRun } from './import-run.ts';
import { foundFile } from './layout-folder.ts';

/** Imports the images of a directory, one after the other: what the store has for their repositories is not read again. */
export async function importFolder(source: ImageSource, run: ImportRun): Promise<void> {
  const lists = await listsOf(source.name, run);
  const hashed = new Map<Digest, BroughtBlob | LoadError>();
  const proved = new Map<Digest, BroughtBlob>();
  try {
    for await (const image of source.images()) {
      if (run.signal.aborted) return;
      if (typeof image === 'string') run.failed(source.name, image);
      else {
        const result = await importFound(image);
        if (result.problem === undefined || result.isRefused === true) await image.settled?.(result);
        run.ended(result);
      }
    }
  } catch (error) {
    run.failed(source.name, `it cannot be read: ${reasonOf(error)}`);
  }

  async function importFound(image: FoundImage): Promise<LoadedImage> {
    const { parts, signal, platforms } = run;
    const { content } = parts;
    const tally = new Tally();
    using blobs = new ArchiveBlobs(parts, tally, signal);
    const { isLinked } = source;
    const found = new FoundContent(image.find, { content, blobs, tally, hashed, isLinked, signal });
    const whole = new EarlierContent(found, lists, { content, proved });
    return await imported(image, platforms, whole, parts, tally);
  }
}

/** That of a bundle which is a folder. */
async function listsOf(folder: string, run: ImportRun): Promise<BundleList[]> {
  const path = join(folder, listName);
  if ((await foundFile(path)) === undefined) return [];
  try {
    return [await readList(createReadStream(path), path)];
  } catch (error) {
    run.failed(path, reasonOf(error));
    return [];
  }
}
