import { parentPort, workerData } from 'node:worker_threads';
import { readBoundedFile } from '../base/bounded-file.ts';
import type { ListedImage } from './image-list.ts';
import { type ListLimits, listedImages } from './listed-images.ts';
import { LoadError, unreadable } from './load-error.ts';

/** What the thread works with. */
export interface ListingSettings extends ListLimits {
  readonly maxBytes: number;
}

/** A file that is to be read. */
export interface Listing {
  readonly name: string;
  /** Absent: they are in the file of that name. */
  readonly chunks?: readonly Uint8Array[] | undefined;
}

/** What is answered to a file; then, as often as `more` is asked, some of the images in it; or what is wrong with it. */
export type ListingAnswer =
  | { readonly isOfCluster: boolean; readonly problems: readonly string[] }
  | { readonly images: readonly ListedImage[]; readonly isLast: boolean }
  | { readonly fault: string };

/** At a time, so that nobody has to take very many at once. */
const someImages = 500;
const settings = workerData as ListingSettings;
let images: Iterator<ListedImage> = [].values();

// The program of a thread of ListReader: it answers one question after the other.
parentPort?.on('message', (question: Listing | 'more') => {
  void answerTo(question).then((answer) => parentPort?.postMessage(answer));
});

async function answerTo(question: Listing | 'more'): Promise<ListingAnswer> {
  try {
    return question === 'more' ? someMore() : await begun(question);
  } catch (error) {
    if (error instanceof LoadError) return { fault: error.message };
    throw error;
  }
}

async function begun({ name, chunks }: Listing): Promise<ListingAnswer> {
  const bytes = chunks === undefined ? await contentOf(name) : Buffer.concat(chunks);
  const { images: found, ...head } = await listedImages(bytes.toString('utf8'), name, settings);
  images = found[Symbol.iterator]();
  return head;
}

async function contentOf(name: string): Promise<Buffer> {
  try {
    return await readBoundedFile(name, settings.maxBytes);
  } catch (error) {
    throw unreadable(name, error);
  }
}

function someMore(): ListingAnswer {
  const some: ListedImage[] = [];
  while (some.length < someImages) {
    const { done, value } = images.next();
    if (done === true) return { images: some, isLast: true };
    some.push(value);
  }
  return { images: some, isLast: false };
}
