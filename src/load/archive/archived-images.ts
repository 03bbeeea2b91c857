import { isObject } from '../../oci/descriptor.ts';
import { sha256 } from '../../oci/digest.ts';
import { parseJson } from '../../oci/json.ts';
import { ociManifest } from '../../oci/media-type.ts';
import type { Digest } from '../../oci/reference.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import { LoadError, reasonOf } from '../load-error.ts';
import type { ReadArchive } from './read-archive.ts';
import { savedManifest } from './saved-manifest.ts';
import { storedBytes } from './stored-bytes.ts';

/** An image that an archive has, by one of its names. */
export interface ArchivedImage {
  readonly name: string;
  readonly root: Digest;
  readonly mediaType: string;
  /** Of a manifest that was made here, and is not stored yet. */
  readonly made?: Uint8Array;
  /** When its registry was last asked where its tag points; absent: just now, for whoever brings it says so. Milliseconds since the epoch. */
  readonly checkedAt?: number;
}

export interface ArchivedImages {
  readonly images: readonly ArchivedImage[];
  /** What keeps others from being loaded, in words. */
  readonly problems: readonly { readonly name: string; readonly problem: string }[];
}

/**
 * What index.json names; where it names nothing, what manifest.json does. `called`: the name of the one image that it has, whatever it is called there. Throws
 * LoadError where nothing is named, or where there are several to be `called` so.
 */
export async function archivedImages(
  archive: ReadArchive,
  content: ContentStore,
  called?: string,
): Promise<ArchivedImages> {
  const { layout, saved } = called === undefined ? archive : renamed(archive, called);
  const named = layout.flatMap(({ descriptor: { digest, mediaType }, name }) =>
    name === undefined ? [] : [{ name, root: digest, mediaType }],
  );
  const found =
    named.length > 0 ? { images: named, problems: [] } : await savedImages({ ...archive, saved }, content);
  if (found.images.length + found.problems.length > 0) return found;
  throw new LoadError(whyNone(archive));
}

/** The same with one name alone for its one image. */
function renamed({ layout, saved }: ReadArchive, called: string): Pick<ReadArchive, 'layout' | 'saved'> {
  const [root, another] = new Map(layout.map((image) => [image.descriptor.digest, image])).values();
  const [first, second] = saved;
  if (another !== undefined || (root === undefined && second !== undefined))
    throw new LoadError(`it has several images, of which none is known to be ${called}: save it alone`);
  if (root !== undefined) return { layout: [{ ...root, name: called }], saved: [] };
  return { layout: [], saved: first === undefined ? [] : [{ ...first, names: [called] }] };
}

function whyNone({ layout, saved }: ReadArchive): string {
  const roots = new Set(layout.map(({ descriptor }) => descriptor.digest)).size || saved.length;
  if (roots === 0) return 'there is no image in it: neither index.json nor manifest.json names one';
  return roots === 1
    ? 'it does not say what its image is called: name it by --resolve-ref'
    : 'it does not say what its images are called: save them by name and tag';
}

async function savedImages({ saved, blobs }: ReadArchive, content: ContentStore): Promise<ArchivedImages> {
  const images: ArchivedImage[] = [];
  const problems: ArchivedImages['problems'][number][] = [];
  for (const image of saved) {
    try {
      const config = blobs.get(image.config.replace(/^\.\//, ''));
      const bytes = config && (await storedBytes(content, config.digest));
      const json: unknown = bytes && parseJson(bytes, image.config);
      const made = savedManifest(image, blobs, () => (isObject(json) ? json : {}));
      const root = sha256(made);
      images.push(...image.names.map((name) => ({ name, root, mediaType: ociManifest, made })));
    } catch (error) {
      problems.push({ name: image.names.join(', ') || image.config, problem: reasonOf(error) });
    }
  }
  return { images, problems };
}
