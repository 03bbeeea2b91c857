import { isObject, listIn } from './descriptor.ts';
import { Fault } from './fault.ts';
import { parseJson } from './json.ts';
import { type ManifestContent, maxDescriptors, parseManifest } from './manifest.ts';
import { mediaTypeOf } from './media-type.ts';
import { isDigestText } from './reference.ts';

/**
 * Reads a manifest that a client sends, of whatever media type, more strictly than one that an upstream gives: what it names must be told by it,
 * for nobody else can say what is still needed. Throws a {@link Fault}, also where it calls itself something else than its Content-Type does.
 */
export function parseSentManifest(bytes: Uint8Array, contentType: string | undefined): ManifestContent {
  const content = parseManifest(bytes, contentType);
  if (content.isHuge) throw new Fault(`a manifest that names more than ${maxDescriptors} blobs or manifests`);
  const json = parseJson(bytes, 'a manifest');
  if (!isObject(json)) throw new Fault('a manifest that is not a JSON object');
  const { mediaType, config, layers, blobs, manifests, subject } = json;
  const [header, own] = [
    mediaTypeOf(contentType),
    mediaTypeOf(typeof mediaType === 'string' ? mediaType : ''),
  ];
  if (contentType !== undefined && header === undefined) throw new Fault('a Content-Type that is none');
  if (mediaType !== undefined && own === undefined)
    throw new Fault('a manifest with a mediaType that is none');
  if (header !== undefined && own !== undefined && header !== own)
    throw new Fault(`a manifest with the mediaType ${own} and the Content-Type ${header}`);
  for (const [name, list] of Object.entries({ layers, blobs, manifests }))
    if (list !== undefined && list !== null && !Array.isArray(list))
      throw new Fault(`a manifest whose ${name} are no list`);
  const named = [config, subject].filter((one) => one !== undefined && one !== null);
  for (const descriptor of [...named, ...listIn(layers), ...listIn(blobs), ...listIn(manifests)])
    if (!isDescriptor(descriptor)) throw new Fault('a manifest with a descriptor that is none');
  return content;
}

function isDescriptor(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { digest, size } = value;
  return (
    typeof digest === 'string' && isDigestText(digest) && Number.isSafeInteger(size) && Number(size) >= 0
  );
}
