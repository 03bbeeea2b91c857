import { createReadStream } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ArchiveBlobs } from '../load/archive/archive-blobs.ts';
import { type ArchiveEntry, type ArchiveLink, tarEntries } from '../load/archive/archive-entries.ts';
import { imported } from '../load/archive/archive-load.ts';
import { type ArchivedImage, archivedImages } from '../load/archive/archived-images.ts';
import type { BroughtBlob } from '../load/archive/import-image.ts';
import { readArchive } from '../load/archive/read-archive.ts';
import { kindOf } from '../load/image-files.ts';
import { LoadError, reasonOf } from '../load/load-error.ts';
import { Tally } from '../load/tally.ts';
import type { Digest } from '../oci/reference.ts';
import { type BundleList, listName, readList } from './bundle-list.ts';
import { EarlierContent } from './earlier-content.ts';
import type { ImportRun } from './import-run.ts';

/** What several tars have together. */
class TarSet {
  readonly tally = new Tally();
  readonly images: ArchivedImage[] = [];
  readonly brought = new Map<Digest, BroughtBlob>();
  readonly lists: BundleList[] = [];
  readonly #run: ImportRun;
  readonly #blobs: ArchiveBlobs;

  constructor(run: ImportRun) {
    this.#run = run;
    this.#blobs = new ArchiveBlobs(run.parts, this.tally, run.signal);
  }

  /** Returns the tars that it names and that lie beside it. */
  async readList(path: string): Promise<string[]> {
    const tars: string[] = [];
    await this.#orProblem(path, async () => {
      const list = await readList(createReadStream(path), path);
      this.lists.push(list);
      for (const { file } of list.chunks) {
        const tar = join(dirname(path), file);
        if ((await kindOf(tar)) === 'archive') tars.push(tar);
      }
    });
    return tars;
  }

  /** What of it is not right is told, and the rest of it counts. */
  async read(path: string): Promise<void> {
    await this.#orProblem(path, async () => {
      const archive = await readArchive(this.#entries(path), this.#blobs);
      for (const problem of archive.problems) this.#run.failed(path, problem);
      for (const { digest, size, stamp } of archive.blobs.values()) this.brought.set(digest, { size, stamp });
      if (archive.layout.length + archive.saved.length === 0) return;
      const { images, problems } = await archivedImages(archive, this.#run.parts.content);
      for (const problem of problems) this.#run.failed(path, problem);
      for (const image of images) this.images.push(image);
    });
  }

  async *#entries(path: string): AsyncGenerator<ArchiveEntry | ArchiveLink> {
    try {
      for await (const entry of tarEntries(path)) {
        if (!('to' in entry) && entry.path === listName)
          this.lists.push(await readList(entry.body, `${listName} in ${path}`));
        else yield entry;
      }
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      this.#run.failed(path, error.message);
    }
  }

  async #orProblem(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#run.failed(path, reasonOf(this.#run.signal.aborted ? this.#run.signal.reason : error));
    }
  }
}

/**
 * Imports what several tars have together, in whichever order they come: of a bundle that is split each has some of the blobs, and one says what the images are. Each is
 * read once, and what it has goes into the store as it comes.
 */
export async function importTars(
  tars: readonly string[],
  lists: readonly string[],
  run: ImportRun,
): Promise<void> {
  const set = new TarSet(run);
  const all = new Set(tars.map((path) => resolve(path)));
  for (const path of lists) for (const tar of await set.readList(path)) all.add(resolve(tar));
  for (const path of all) {
    if (run.signal.aborted) return;
    await set.read(path);
  }
  for (const problem of missingTars(set)) run.failed(problem.file, problem.text);
  if (set.images.length === 0) run.failed([...all, ...lists].join(', '), noImage(set));
  const { parts, platforms } = run;
  const brought = { bring: async (digest: Digest) => set.brought.get(digest) };
  const source = new EarlierContent(brought, set.lists, { content: parts.content, proved: new Map() });
  // The first bears what reading the tars cost.
  for (const [at, image] of set.images.entries()) {
    if (run.signal.aborted) return;
    run.ended(await imported(image, platforms, source, parts, at === 0 ? set.tally : new Tally()));
  }
}

function noImage({ lists }: TarSet): string {
  return lists.length > 0
    ? 'no image can be imported without the tar that has index.json'
    : 'there is no image in it: neither index.json nor manifest.json names one, or that is in another tar of the bundle';
}

/** Those of which a list says that they have blobs which nobody has brought. */
function missingTars({ lists, brought }: TarSet): { readonly file: string; readonly text: string }[] {
  const missing = new Map<string, number>();
  for (const { chunks, blobs } of lists)
    for (const { digest, chunk } of blobs.values()) {
      const file = chunk === undefined ? undefined : chunks[chunk - 1]?.file;
      if (file !== undefined && !brought.has(digest)) missing.set(file, (missing.get(file) ?? 0) + 1);
    }
  return [...missing].map(([file, count]) => ({
    file,
    text: `it is missing, or not whole: ${count} of its blobs were not brought`,
  }));
}
