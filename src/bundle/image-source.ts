import type { ArchivedImage } from '../load/archive/archived-images.ts';
import type { LoadedImage } from '../load/load-images.ts';
import type { Digest } from '../oci/reference.ts';

/** Where the bytes of a digest lie. */
export type Found = { readonly path: string } | { readonly bytes: Uint8Array };

/** An image that lies in a directory, by one of its names. */
export interface FoundImage extends ArchivedImage {
  /** Undefined: it is not there. Throws LoadError for what lies in its place and cannot be read. */
  readonly find: (digest: Digest) => Promise<Found | undefined>;
  /** To be told when it is imported, or refused for what is wrong with it: nobody need look at it again as long as it is as it is. */
  readonly settled?: (image: Pick<LoadedImage, 'problem'>) => Promise<void>;
}

/** A directory with images, whose bytes are read when they are wanted. */
export interface ImageSource {
  /** Its path. */
  readonly name: string;
  /** May its files be given second names, so that nothing is written? */
  readonly isLinked: boolean;
  /** Texts are what is wrong with single entries, in words, with their place. */
  images(): AsyncIterable<FoundImage | string>;
}
