import { jsonMembers } from '../../json/json-members.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isObject, listIn, plainDescriptorIn } from '../../oci/descriptor.ts';
import { Fault } from '../../oci/fault.ts';
import { parseJson } from '../../oci/json.ts';
import { maxManifestSize } from '../../oci/manifest.ts';
import { LoadError, reasonOf } from '../load-error.ts';
import { type ArchiveBlobs, type ArchivedBlob, digestOfPath } from './archive-blobs.ts';
import type { ArchiveEntry, ArchiveLink } from './archive-entries.ts';

/** An image of an OCI layout's index.json. */
export interface LayoutImage {
  readonly descriptor: Descriptor;
  /** As it is called there; undefined: it is not. */
  readonly name: string | undefined;
  /** What stands where most tools write the tag alone (image-spec "Pre-Defined Annotation Keys"). */
  readonly tag: string | undefined;
}

/** An image of `docker save`'s manifest.json: paths in the archive. */
export interface SavedImage {
  readonly config: string;
  readonly layers: readonly string[];
  readonly names: readonly string[];
}

/** What an archive had. Its blobs are in the store. */
export interface ReadArchive {
  readonly layout: readonly LayoutImage[];
  readonly saved: readonly SavedImage[];
  readonly blobs: ReadonlyMap<string, ArchivedBlob>;
  /** In words: what is wrong with single files. */
  readonly problems: readonly string[];
}

/** More than anybody has: files of an archive, and images that its index names. */
const maxEntries = 2_000_000;
const maxImages = 200_000;
/** What configs and layers are called that are no blobs of a layout: by `docker save`, skopeo and podman, crane (`sha256:…`, `.tar.gz`), and Jib (`config.json`). */
const savedPath =
  /^(?:.+\/)?(?:(?:sha256:)?[0-9a-f]{64}(?:\.json|\.tar|\.tar\.gz|\.tar\.zst)?|layer\.tar|config\.json)$/;

/** Reads an archive once, from its first file to its last. Throws LoadError for what cannot be read at all. */
export async function readArchive(
  entries: AsyncIterable<ArchiveEntry | ArchiveLink>,
  store: ArchiveBlobs,
): Promise<ReadArchive> {
  const blobs = new Map<string, ArchivedBlob>();
  const links: ArchiveLink[] = [];
  const layout: LayoutImage[] = [];
  const saved: SavedImage[] = [];
  const problems: string[] = [];
  for await (const entry of entries) {
    if (blobs.size + links.length > maxEntries) throw new LoadError(`it has more than ${maxEntries} files`);
    if ('to' in entry) links.push(entry);
    else if (entry.path === 'index.json') {
      for await (const image of imagesOfIndex(entry.body, entry.path)) {
        layout.push(image);
        if (layout.length > maxImages) throw new LoadError(`it has more than ${maxImages} images`);
      }
    } else if (entry.path === 'manifest.json') {
      saved.push(...listIn(await jsonOf(entry)).flatMap(savedImageIn));
    } else if (digestOfPath(entry.path) !== undefined || savedPath.test(entry.path)) {
      try {
        blobs.set(entry.path, await store.store(entry, digestOfPath(entry.path)));
      } catch (error) {
        if (!(error instanceof LoadError)) throw error;
        problems.push(error.message);
      }
    }
  }
  for (const { path, to } of links) {
    const blob = blobs.get(to);
    if (blob !== undefined) blobs.set(path, blob);
  }
  return { layout, saved, blobs, problems };
}

/** What the index.json of a layout names, as it comes: it may be long. Throws LoadError. */
export async function* imagesOfIndex(
  bytes: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<LayoutImage> {
  try {
    for await (const { key, value, isEntry } of jsonMembers(bytes, name))
      if (isEntry && key === 'manifests') yield* layoutImageIn(value);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new LoadError(reasonOf(error));
  }
}

async function jsonOf({ path, size, body }: ArchiveEntry): Promise<unknown> {
  if (size > maxManifestSize) throw new LoadError(`${path} has more than ${maxManifestSize} bytes`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(Uint8Array.from(chunk));
  try {
    return parseJson(Buffer.concat(chunks), path);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new LoadError(reasonOf(error));
  }
}

/** containerd writes the whole name beside the tag; skopeo and podman write the whole name where others write the tag. */
function layoutImageIn(item: unknown): LayoutImage[] {
  const descriptor = plainDescriptorIn(item);
  if (descriptor === undefined || !isObject(item)) return [];
  const annotations = isObject(item['annotations']) ? item['annotations'] : {};
  const names = [annotations['io.containerd.image.name'], annotations['org.opencontainers.image.ref.name']];
  const name = names.find((text): text is string => typeof text === 'string' && /[:/@]/.test(text));
  const [, tag] = names;
  return [{ descriptor, name, tag: typeof tag === 'string' ? tag : undefined }];
}

function savedImageIn(item: unknown): SavedImage[] {
  if (!isObject(item) || typeof item['Config'] !== 'string') return [];
  const texts = (value: unknown) => listIn(value).filter((text) => typeof text === 'string');
  return [{ config: item['Config'], layers: texts(item['Layers']), names: texts(item['RepoTags']) }];
}
