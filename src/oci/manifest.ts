import { RegistryError } from './error.ts';
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
import { type Digest, parseDigest } from './reference.ts';
import type { Descriptor } from './registry.ts';

/** containerd, podman and oras read no more (docs: protocol facts "Sizes"); bytes. */
export const maxManifestSize = 4 * 1024 * 1024;

/** What the cache needs of a manifest's content. Everything unknown in it is left alone. */
export interface ManifestContent {
  readonly mediaType: MediaType;
  /** Config and layers (or an artifact's blobs); without those that live elsewhere (`urls`). */
  readonly blobs: readonly Descriptor[];
  /** The manifests of an index. */
  readonly manifests: readonly Descriptor[];
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
 * Reads a manifest. `contentType` is the header as upstream sent it; the manifest's own `mediaType` replaces it
 * only where the header is absent, vague, or calls an image an index or the reverse: no digest vouches for a header.
 * Descriptors that are malformed are left out: serving needs none of them.
 * Throws UNAVAILABLE (502): the bytes are no JSON object, or both an image and an index (CVE-2021-41190).
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ManifestContent {
  const json = parseObject(bytes);
  if (Array.isArray(json['layers']) && Array.isArray(json['manifests'])) {
    throw new RegistryError(
      'UNAVAILABLE',
      'upstream sent an ambiguous manifest: both "layers" and "manifests"',
    );
  }
  const header = mediaTypeOf(contentType);
  const config = descriptor(json['config']);
  return {
    mediaType:
      header === undefined || vagueTypes.has(header) || isContradicted(header, json)
        ? (ownMediaType(json) ?? harmless(header))
        : header,
    blobs: [
      ...(config === undefined ? [] : [config]),
      ...descriptors(json['layers']),
      ...descriptors(json['blobs']),
    ],
    manifests: descriptors(json['manifests']),
    subject: descriptor(json['subject'])?.digest,
    artifactType: text(json['artifactType']) ?? config?.mediaType,
    annotations: annotationsOf(json['annotations']),
  };
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  const json = parseJson(bytes, 'a manifest');
  if (!isObject(json))
    throw new RegistryError('UNAVAILABLE', 'upstream sent a manifest that is not a JSON object');
  return json;
}

function isContradicted(header: MediaType, { manifests, layers }: Record<string, unknown>): boolean {
  return (isIndex(header) && Array.isArray(layers)) || (isImage(header) && Array.isArray(manifests));
}

/** A browser must not take what upstream sends for a page of ours. */
function harmless(header: MediaType | undefined): MediaType {
  return header === undefined || header.startsWith('text/') ? 'application/json' : header;
}

function ownMediaType(json: Record<string, unknown>): MediaType | undefined {
  const own = mediaTypeOf(text(json['mediaType']));
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

function descriptors(value: unknown): Descriptor[] {
  return Array.isArray(value) ? value.flatMap((item) => descriptor(item) ?? []) : [];
}

/** Undefined too for a descriptor with `urls`: its bytes are elsewhere, and fetching them is not our business. */
function descriptor(value: unknown): Descriptor | undefined {
  if (!isObject(value) || (Array.isArray(value['urls']) && value['urls'].length > 0)) return undefined;
  const { mediaType, digest, size } = value;
  if (typeof digest !== 'string' || typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    return undefined;
  try {
    const artifactType = text(value['artifactType']);
    const annotations = annotationsOf(value['annotations']);
    return {
      mediaType: text(mediaType) ?? 'application/octet-stream',
      digest: parseDigest(digest),
      size,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    };
  } catch {
    return undefined;
  }
}

/**
 * The descriptors of a referrers list, an index by the specification. Any index may stand where one is looked for: the subject itself
 * (whoever calls knows its digest), one about another subject, which is none, or an image's, whose children name a platform.
 * A referrer names its artifact type instead, and no manifest refers to itself. Throws as {@link parseManifest}.
 */
export function parseReferrers(bytes: Uint8Array, subject: Digest): readonly Descriptor[] {
  const json = parseObject(bytes);
  const about = descriptor(json['subject'])?.digest;
  if (about !== undefined && about !== subject) return [];
  const listed = Array.isArray(json['manifests']) ? json['manifests'] : [];
  return descriptors(listed.filter((item) => !isPlatformImage(item))).filter(
    ({ digest }) => digest !== subject,
  );
}

function isPlatformImage(item: unknown): boolean {
  return isObject(item) && isObject(item['platform']) && text(item['artifactType']) === undefined;
}

function annotationsOf(value: unknown): Record<string, string> | undefined {
  if (!isObject(value)) return undefined;
  const entries = Object.entries(value).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
