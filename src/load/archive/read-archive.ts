import { jsonMembers } from '../../json/json-members.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isObject, listIn, plainDescriptorIn } from '../../oci/descriptor.ts';
import { Fault } from '../../oci/fault.ts';
import { parseJson } from '../../oci/json.ts';
import { maxManifestSize } from '../../oci/manifest.ts';
import type { Digest } from '../../oci/reference.ts';
import { LoadError, reasonOf } from '../load-error.ts';
import { type ArchiveBlobs, type ArchivedBlob, digestOfPath } from './archive-blobs.ts';
import { type ArchiveEntry, type ArchiveLink, BrokenOffError, type WrongEntry } from './archive-entries.ts';

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
  /** What is wrong with single files. */
  readonly problems: readonly WrongFile[];
  /** In words: why it could not be read to its end. */
  readonly brokenOff: string | undefined;
}

/** `problem` in words; `digest`: what the file should be. */
interface WrongFile {
  readonly problem: string;
  readonly digest?: Digest | undefined;
}

/** More than anybody has: files of an archive, and images that its index names. */
const maxEntries = 2_000_000;
const maxImages = 200_000;
/** What configs and layers are called that are no blobs of a layout: by `docker save`, skopeo and podman, crane (`sha256:…`, `.tar.gz`), and Jib (`config.json`). */
const savedPath =
  /^(?:.+\/)?(?:(?:sha256:)?[0-9a-f]{64}(?:\.json|\.tar|\.tar\.gz|\.tar\.zst)?|layer\.tar|config\.json)$/;

/** Reads an archive once, from its first file to its last, or as far as it can be read. Throws LoadError for what is none. */
export async function readArchive(
  entries: AsyncIterable<ArchiveEntry | ArchiveLink | WrongEntry>,
  store: ArchiveBlobs,
): Promise<ReadArchive> {
  const reading = new ArchiveReading(store);
  let brokenOff: string | undefined;
  try {
    for await (const entry of entries) await reading.read(entry);
  } catch (error) {
    if (!(error instanceof BrokenOffError)) throw error;
    brokenOff = error.message;
  }
  reading.follow();
  const { layout, saved, blobs, problems } = reading;
  return { layout, saved, blobs, problems, brokenOff };
}

class ArchiveReading {
  readonly blobs = new Map<string, ArchivedBlob>();
  readonly layout: LayoutImage[] = [];
  readonly saved: SavedImage[] = [];
  readonly problems: WrongFile[] = [];
  readonly #links: ArchiveLink[] = [];
  readonly #store: ArchiveBlobs;

  constructor(store: ArchiveBlobs) {
    this.#store = store;
  }

  /** What is wrong with this one says nothing of the others. */
  async read(entry: ArchiveEntry | ArchiveLink | WrongEntry): Promise<void> {
    if (this.blobs.size + this.#links.length + this.problems.length > maxEntries)
      throw new BrokenOffError(`it has more than ${maxEntries} files`);
    if ('problem' in entry) this.problems.push(entry);
    else if ('to' in entry) this.#links.push(entry);
    else {
      try {
        await this.#readFile(entry);
      } catch (error) {
        if (!(error instanceof LoadError) || error instanceof BrokenOffError) throw error;
        this.problems.push({ problem: error.message, digest: digestOfPath(entry.path) });
      }
    }
  }

  /** All is read: what links to something that came later is that, too. */
  follow(): void {
    for (const { path, to } of this.#links) {
      const blob = this.blobs.get(to);
      if (blob !== undefined) this.blobs.set(path, blob);
    }
  }

  async #readFile(entry: ArchiveEntry): Promise<void> {
    const { path } = entry;
    if (path === 'index.json') await this.#readIndex(entry);
    else if (path === 'manifest.json') this.saved.push(...listIn(await jsonOf(entry)).flatMap(savedImageIn));
    else if (digestOfPath(path) !== undefined || savedPath.test(path))
      this.blobs.set(path, await this.#store.store(entry, digestOfPath(path)));
  }

  async #readIndex({ path, body }: ArchiveEntry): Promise<void> {
    for await (const image of imagesOfIndex(body, path)) {
      this.layout.push(image);
      if (this.layout.length > maxImages) throw new BrokenOffError(`it has more than ${maxImages} images`);
    }
  }
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
