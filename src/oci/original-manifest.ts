import { isObject } from './descriptor.ts';
import { Fault } from './fault.ts';
import { parseJson } from './json.ts';
import { dockerManifest, dockerManifestList, type MediaType, ociIndex, ociManifest } from './media-type.ts';
import { type Digest, isDigestText } from './reference.ts';

/** A manifest as Ociregistry 1.17 keeps it in a file. */
export interface OriginalManifest {
  /** `host/repository:tag`, or `host/repository@digest`. */
  readonly name: string;
  readonly digest: Digest;
  readonly mediaType: MediaType;
  /** Its bytes as upstream sent them. */
  readonly base64: string;
  /** Milliseconds since the epoch; undefined: it does not say. */
  readonly pulledAt: number | undefined;
}

/** By the number that it calls a kind by. */
const types: readonly MediaType[] = [dockerManifestList, dockerManifest, ociIndex, ociManifest];

/** `hex`: the name of its file, which is its digest. Throws a {@link Fault} for what is none. */
export function parseOriginalManifest(bytes: Uint8Array, hex: string): OriginalManifest {
  const json = parseJson(bytes, 'a manifest of 1.17');
  const { type, digest, imageUrl, bytes: base64, pulled } = isObject(json) ? json : {};
  const mediaType = typeof type === 'number' ? types[type] : undefined;
  const whole = `sha256:${hex}`;
  if (mediaType === undefined || typeof imageUrl !== 'string' || typeof base64 !== 'string')
    throw new Fault('a manifest of 1.17 that lacks its type, its name or its bytes');
  if (!isDigestText(whole) || (digest !== hex && digest !== whole))
    throw new Fault('a manifest of 1.17 that has another digest than its name');
  return { name: imageUrl, digest: whole, mediaType, base64, pulledAt: timeIn(pulled) };
}

/** Local time, as the original writes it: `2006-01-02T15:04:05`. */
function timeIn(value: unknown): number | undefined {
  const time = typeof value === 'string' ? new Date(value).getTime() : Number.NaN;
  return time > 0 ? time : undefined;
}
