import { abortable } from '../base/abortable.ts';
import { systemClock } from '../base/clock.ts';
import { Turns } from '../base/turns.ts';
import type { ImageName } from '../oci/reference.ts';
import { imageFiles } from './image-files.ts';
import { type ImageInput, inputOf } from './image-input.ts';
import { ListReader } from './list-reader.ts';
import { LoadError, reasonOf } from './load-error.ts';
import type { ImageToLoad } from './load-images.ts';

export interface Naming {
  /** Throws what is wrong with a name in a list. */
  readonly named: (text: string) => ImageName;
  /** Throws what is wrong with a name in Kubernetes' objects. */
  readonly namedInCluster: (text: string) => ImageName;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Ends it, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What is to be loaded, each once, and what cannot be read, in words with its place. */
export interface ImagesOfFiles {
  readonly images: readonly ImageToLoad[];
  /** Tars and layouts. */
  readonly archives: readonly ImageInput[];
  readonly problems: readonly string[];
}

/** A name is shorter (distribution-spec "Pulling manifests": 255 of a repository, 128 of a tag), and so is what is quoted of one that is none. Characters. */
const maxName = 1024;
const maxQuoted = 200;
/** What has more mistakes is no list of images, and is not read on. */
const maxProblems = 1000;
/** More than anybody has. */
const maxImages = 200_000;

/** All that the files name. A mistake in one leaves the rest as it is. Throws LoadError where a name or a pattern is nothing's, or nothing is named at all. */
export async function imagesOfFiles(names: string, naming: Naming): Promise<ImagesOfFiles> {
  const { signal } = naming;
  const images = new Map<string, ImageToLoad>();
  const archives: ImageInput[] = [];
  const problems: string[] = [];
  await using reader = new ListReader();
  for (const file of await abortable(imageFiles(names), signal)) {
    try {
      const input = await abortable(inputOf(file, naming.stdin), signal);
      if (input.kind !== 'text') {
        archives.push(input);
        continue;
      }
      for await (const found of namedIn(input, reader, naming)) {
        if (typeof found === 'string') problems.push(found);
        else images.set(`${found.repository} ${found.reference}`, found);
        if (images.size > maxImages)
          throw new LoadError(`more than ${maxImages} images are named in ${names}`);
      }
    } catch (error) {
      if (!(error instanceof LoadError) || images.size > maxImages) throw error;
      problems.push(error.message);
    }
  }
  if (images.size + archives.length + problems.length === 0)
    throw new LoadError(`no image is named in ${names === '-' ? 'standard input' : names}`);
  return { images: [...images.values()], archives, problems };
}

/** Images, and what is wrong, in words. Throws LoadError where there is nothing more to be had of the file. */
async function* namedIn(
  input: ImageInput,
  reader: ListReader,
  naming: Naming,
): AsyncGenerator<ImageToLoad | string> {
  const { isOfCluster, images, problems } = await abortable(reader.read(input), naming.signal);
  yield* problems;
  const named = isOfCluster ? naming.namedInCluster : naming.named;
  const turns = new Turns(systemClock);
  let wrong = 0;
  for await (const { text, at } of images) {
    try {
      yield { name: text, ...imageOf(text, named) };
    } catch (error) {
      yield `${at}: ${quoted(text)}: ${reasonOf(error)}`;
      wrong += 1;
    }
    if (wrong === maxProblems)
      throw new LoadError(`${JSON.stringify(input.name)} is no list of images: the rest is not read`);
    if (turns.isOver) await turns.pass();
  }
}

function imageOf(text: string, named: Naming['named']): ImageName {
  if (text.length > maxName) throw new LoadError('no name is so long');
  if (/\s/.test(text)) throw new LoadError('a name has no spaces: one image stands in a line');
  if (/^\w+:\/\//.test(text) && !withUser.test(text))
    throw new LoadError(
      'a name begins with the host of its registry, without anything like https:// before it',
    );
  if (withUser.test(text))
    throw new LoadError(
      'a name has no user and no password: they belong to the registry, in the configuration',
    );
  return named(text);
}

/** What stands before an `@` that is no digest's. */
const withUser = /^.*@(?!sha\d+:)/s;

/** As much of it as may be told. */
function quoted(text: string): string {
  const told = text.replace(withUser, '…@');
  return JSON.stringify(told.length > maxQuoted ? `${told.slice(0, maxQuoted)}…` : told);
}
