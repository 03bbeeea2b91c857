import type { MediaType } from './media-type.ts';
import { type Digest, isDigestText } from './reference.ts';

/** OCI image-spec "Content Descriptors"; `size` in bytes. */
export interface Descriptor {
  readonly mediaType: MediaType;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: MediaType;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** RFC 6838 section 4.2: two names of 127 characters. */
const maxMediaType = 255;
/** Characters of keys and values. What has more describes nothing any more, and is left out. */
const maxAnnotations = 64 * 1024;

/** Those that are descriptors. Untrusted: nothing is thrown, which would cost more than all else. */
export function descriptorsIn(value: unknown): Descriptor[] {
  return listIn(value).flatMap((item) => descriptorIn(item) ?? []);
}

/** What is fetched by its descriptor is asked for by its digest, of a size, and nothing else. */
export function plainDescriptorsIn(value: unknown): Descriptor[] {
  return listIn(value).flatMap((item) => plainDescriptorIn(item) ?? []);
}

/** Undefined too for a descriptor with `urls`: its bytes are elsewhere, and fetching them is not our business. */
export function plainDescriptorIn(value: unknown): Descriptor | undefined {
  if (!isObject(value) || listIn(value['urls']).length > 0) return undefined;
  const { mediaType, digest, size } = value;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined;
  if (typeof digest !== 'string' || !isDigestText(digest)) return undefined;
  return { mediaType: shortText(mediaType) ?? 'application/octet-stream', digest, size };
}

function descriptorIn(value: unknown): Descriptor | undefined {
  const plain = plainDescriptorIn(value);
  if (plain === undefined || !isObject(value)) return undefined;
  const artifactType = shortText(value['artifactType']);
  const annotations = annotationsIn(value['annotations']);
  return {
    ...plain,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

export function annotationsIn(value: unknown): Record<string, string> | undefined {
  if (!isObject(value)) return undefined;
  const entries = Object.entries(value).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const length = entries.reduce((sum, [key, text]) => sum + key.length + text.length, 0);
  return entries.length === 0 || length > maxAnnotations ? undefined : Object.fromEntries(entries);
}

/** A media type, as far as it could be one. */
export function shortText(value: unknown): MediaType | undefined {
  return typeof value === 'string' && value !== '' && value.length <= maxMediaType ? value : undefined;
}

/** A member's digest, if it is a descriptor. */
export function digestIn(value: unknown): Digest | undefined {
  return plainDescriptorIn(value)?.digest;
}

export function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a descriptor takes besides its texts. */
const perDescriptor = 200;

/** How many characters descriptors take, with all that they say of themselves. */
export function charsOf(descriptors: readonly Descriptor[]): number {
  const texts = descriptors.flatMap(({ annotations = {} }) => Object.entries(annotations).flat());
  return texts.reduce((sum, { length }) => sum + length, descriptors.length * perDescriptor);
}
