import { LoadError } from '../load/load-error.ts';
import { ociIndex } from '../oci/media-type.ts';
import { BundleBlobs } from './bundle-blobs.ts';
import { type Chunk, listName, listText, newHead } from './bundle-list.ts';
import type { BundleSink } from './bundle-sink.ts';
import type { Selection } from './cached-names.ts';
import type { EarlierBundle } from './earlier-bundle.ts';
import { type ExportedImage, type ExportParts, exportImages } from './export-images.ts';

/** Characters. */
const pieceChars = 64 * 1024;

export interface BundleParts extends Omit<ExportParts, 'blobs'> {
  readonly sink: BundleSink;
  /** What the bundle goes on from: only blobs that it has not. */
  readonly earlier: EarlierBundle | undefined;
}

/**
 * Writes what is selected as an OCI image layout with bundle.json, its list. Tells of each image as it ends. Throws LoadError where there is nothing to be
 * written, and nothing is then; what else keeps it from being written as it is.
 */
export async function exportBundle(
  selection: Selection,
  parts: BundleParts,
  ended: (image: ExportedImage) => void,
): Promise<void> {
  const { sink, earlier, content, signal, clock } = parts;
  const head = newHead(earlier?.head);
  const blobs = new BundleBlobs({ content, sink, head, earlier, signal });
  const images: string[] = [];
  await exportImages(selection, { ...parts, blobs }, (image) => {
    if (image.problem === undefined) images.push(...(images.length > 0 ? [',\n'] : []), entryOf(image));
    ended(image);
  });
  if (images.length === 0) throw new LoadError('no image could be exported: nothing is written');
  const createdAt = clock.now();
  const list = (chunks: readonly Chunk[]) => listText(head, createdAt, chunks, blobs.listed);
  await addText(sink, 'oci-layout', () => ['{"imageLayoutVersion":"1.0.0"}']);
  await addText(sink, 'index.json', () => [
    `{"schemaVersion":2,"mediaType":"${ociIndex}","manifests":[\n`,
    ...images,
    '\n]}\n',
  ]);
  const { chunks } = sink;
  await addText(sink, listName, () => list(chunks));
  await sink.finish(list);
}

/** skopeo and crane read the first annotation, containerd the second. */
function entryOf({ name, descriptor: { mediaType, digest, size } }: ExportedImage): string {
  const annotations = {
    'org.opencontainers.image.ref.name': name,
    'io.containerd.image.name': name,
  };
  return JSON.stringify({ mediaType, digest, size, annotations });
}

/** A text that may be long, a piece at a time: it is made twice, for a tar says first how long it is. */
async function addText(sink: BundleSink, path: string, text: () => Iterable<string>): Promise<void> {
  let size = 0;
  for (const piece of text()) size += Buffer.byteLength(piece);
  await sink.add(path, size, bytesOf(text()));
}

/** A line for itself is not worth a write. */
function* bytesOf(text: Iterable<string>): Generator<Uint8Array> {
  let together = '';
  for (const piece of text) {
    together += piece;
    if (together.length < pieceChars) continue;
    yield Buffer.from(together);
    together = '';
  }
  yield Buffer.from(together);
}
