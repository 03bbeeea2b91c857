import {
  annotationsIn,
  type Descriptor,
  digestIn,
  isObject,
  listIn,
  plainDescriptorIn,
  plainDescriptorsIn,
  shortText,
} from './descriptor.ts';
import { Fault } from './fault.ts';
import { parseJson } from './json.ts';
import {
  dockerManifest,
  dockerManifestList,
  type MediaType,
  mediaTypeOf,
  ociArtifact,
  ociIndex,
  ociManifest,
} from './media-type.ts';
import type { Digest } from './reference.ts';

/** containerd, podman and oras read no more (docs: protocol facts "Sizes"); bytes. */
export const maxManifestSize = 4 * 1024 * 1024;
/**
 * An image has some hundred layers at most, since nothing mounts more (overlayfs: 500), and an index some dozens of platforms. What names
 * more is served as it is, and nothing is made of what it names: forty thousand rows hold up the index for seconds.
 */
export const maxDescriptors = 1000;

/** What the cache needs of a manifest's content. Everything unknown in it is left alone. */
export interface ManifestContent {
  readonly mediaType: MediaType;
  /** Config and layers (or an artifact's blobs); without those that live elsewhere (`urls`), and without annotations. */
  readonly blobs: readonly Descriptor[];
  /** The manifests of an index. */
  readonly manifests: readonly Descriptor[];
  /** Does it name more than {@link maxDescriptors}? Then it is read as if it named none. */
  readonly isHuge: boolean;
  readonly subject: Digest | undefined;
  /** `artifactType`, or the config's media type, as a referrers list shows it. */
  readonly artifactType: MediaType | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** Content-Type values that say nothing of the manifest's kind: some registries send them for all. */
const vagueTypes = new Set([
  'text/plain',
  'application/json',
  'application/octet-stream',
  'binary/octet-stream',
  'text/html',
]);

/**
 * Reads a manifest. `contentType` is the header that came with it; the manifest's own `mediaType` replaces it
 * only where the header is absent, vague, or calls an image an index or the reverse: no digest vouches for a header.
 * Descriptors that are malformed are left out: serving needs none of them.
 * Throws a {@link Fault}: the bytes are no JSON object, or both an image and an index (CVE-2021-41190).
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ManifestContent {
  const json = manifestObject(parseJson(bytes, 'a manifest'));
  const isHuge = countOfDescriptors(json) > maxDescriptors;
  const config = plainDescriptorIn(json['config']);
  const { layers, blobs, manifests } = isHuge ? {} : json;
  return {
    mediaType: manifestType(json, contentType),
    blobs: [
      ...(config === undefined || isHuge ? [] : [config]),
      ...plainDescriptorsIn(layers),
      ...plainDescriptorsIn(blobs),
    ],
    manifests: plainDescriptorsIn(manifests),
    isHuge,
    subject: digestIn(json['subject']),
    artifactType: shortText(json['artifactType']) ?? config?.mediaType,
    annotations: annotationsIn(json['annotations']),
  };
}

function countOfDescriptors({ layers, blobs, manifests }: Record<string, unknown>): number {
  return listIn(layers).length + listIn(blobs).length + listIn(manifests).length;
}

/** What a manifest's bytes hold. Throws as {@link parseManifest}. */
export function manifestObject(json: unknown): Record<string, unknown> {
  if (!isObject(json)) throw new Fault('a manifest that is not a JSON object');
  if (Array.isArray(json['layers']) && Array.isArray(json['manifests']))
    throw new Fault('an ambiguous manifest: both "layers" and "manifests"');
  return json;
}

/** As {@link parseManifest} says it. */
export function manifestType(json: Record<string, unknown>, contentType: string | undefined): MediaType {
  const header = mediaTypeOf(contentType);
  return header === undefined || vagueTypes.has(header) || isContradicted(header, json)
    ? (ownMediaType(json) ?? harmless(header))
    : header;
}

function isContradicted(header: MediaType, { manifests, layers }: Record<string, unknown>): boolean {
  return (isIndex(header) && Array.isArray(layers)) || (isImage(header) && Array.isArray(manifests));
}

/** A browser must not take what others send for a page of ours. */
function harmless(header: MediaType | undefined): MediaType {
  return header === undefined || header.startsWith('text/') ? 'application/json' : header;
}

function ownMediaType(json: Record<string, unknown>): MediaType | undefined {
  const own = mediaTypeOf(shortText(json['mediaType']));
  if (own !== undefined && !vagueTypes.has(own)) return own;
  if (Array.isArray(json['manifests'])) return ociIndex;
  if (isObject(json['config']) && Array.isArray(json['layers'])) return ociManifest;
  if (Array.isArray(json['blobs'])) return ociArtifact;
  if (json['schemaVersion'] === 1) {
    return `application/vnd.docker.distribution.manifest.v1+${'signatures' in json ? 'prettyjws' : 'json'}`;
  }
  return undefined;
}

/** Is this the media type of an index, whose children are manifests? */
export function isIndex(mediaType: MediaType): boolean {
  return mediaType === ociIndex || mediaType === dockerManifestList;
}

/** Is this the media type of one image, whose children are blobs? */
function isImage(mediaType: MediaType): boolean {
  return mediaType === ociManifest || mediaType === dockerManifest || mediaType === ociArtifact;
}
