import { setImmediate } from 'node:timers/promises';
import { recordOf } from '../cache/memory/stored-manifests.ts';
import { jsonReader } from '../json/json-reader.ts';
import type { ContentEvent } from '../observe/content-event.ts';
import type { ClientRequest } from '../oci/client-request.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, DigestHasher, digestAside, type VerifiedBlob } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { blamed } from '../oci/fault.ts';
import type { ManifestContent } from '../oci/manifest.ts';
import type { PushedManifest, SentManifest } from '../oci/pushes.ts';
import {
  type Digest,
  hostedHost,
  isDigest,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts';
import { type Operation, putManifest, putTag, requireContent, requireTag } from '../storage/operation.ts';
import type { ManifestRecord } from '../storage/records.ts';
import { MissingContentError, TagTakenError } from '../storage/requirements.ts';
import { eventsOf } from './hosted-events.ts';
import { changed, type HostedParts, noRoom } from './hosted-parts.ts';
import type { HostedRule } from './hosted-rules.ts';
import { announcePushed } from './pushed-blob.ts';

/** Bytes, in about two milliseconds; then others have their turn. */
const hashedInTurn = 512 * 1024;
/** So many of what is missing are told. */
const maxTold = 20;

/** What puts a manifest, and what is told of it. */
interface Change {
  readonly operations: readonly Operation[];
  readonly events: readonly ContentEvent[];
}

/** Manifests that clients send. */
export class PushedManifests {
  readonly #parts: HostedParts;

  constructor(parts: HostedParts) {
    this.#parts = parts;
  }

  async put(
    repository: RepositoryName,
    reference: Reference,
    sent: SentManifest,
    by?: ClientRequest,
  ): Promise<PushedManifest> {
    const rule = this.#parts.rules.open(repository);
    const { bytes } = sent;
    const content = await contentOf(sent);
    const digest = await digestAside(isDigest(reference) ? algorithmOf(reference) : 'sha256', bytes);
    if (isDigest(reference) && digest !== reference)
      throw new RegistryError('DIGEST_INVALID', `the manifest that came is ${digest}, not ${reference}`);
    const tags = isDigest(reference) ? sent.tags : [reference];
    if (tags.some(rule.isImmutable) && this.#parts.isBeingRestored?.() === true) throw notRestored();
    const descriptor = { mediaType: content.mediaType, digest, size: bytes.length };
    const record = recordOf({ descriptor, bytes }, content);
    const conditions = conditionsOf(repository, record, tags, rule);
    const operations = [...conditions, ...operationsOf(repository, record, tags, this.#parts)];
    const events = eventsOf(by, this.#parts, ...pushesOf(repository, descriptor, tags));
    await this.#tried(async () => {
      // Bytes of what is refused are not kept.
      await this.#parts.metadata.change([...conditions, announcePushed(digest, this.#parts)]);
      await this.#store(record, bytes, { operations, events });
    });
    return { descriptor: record.descriptor, subject: content.subject };
  }

  /** The conditions hold in the transaction that puts it, whatever has come between. */
  async #store(record: ManifestRecord, bytes: Uint8Array, { operations, events }: Change): Promise<void> {
    const { content, room } = this.#parts;
    using reserved = await room.reserve(hostedHost, { bytes: bytes.length });
    if (reserved === undefined) throw noRoom();
    const blob = await hashed(record.descriptor.digest, bytes);
    await content.keep(blob, bytes);
    // Where this is refused what lies there was announced, and goes with that.
    await changed(this.#parts, operations, events);
  }

  async #tried(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof MissingContentError) throw missing(error);
      if (error instanceof TagTakenError)
        throw new RegistryError('DENIED', 'the tag is immutable, and points elsewhere', { status: 409 });
      throw error;
    }
  }
}

async function contentOf({ bytes, contentType }: SentManifest): Promise<ManifestContent> {
  try {
    return (await jsonReader.read(hostedHost, 'sent manifest', bytes, contentType)).head;
  } catch (error) {
    throw blamed(error, 'MANIFEST_INVALID', 'what came is');
  }
}

/** What has `urls` lives elsewhere; what it refers to may come later, or never. */
function conditionsOf(
  repository: RepositoryName,
  { descriptor: { digest }, blobs, manifests = [] }: ManifestRecord,
  tags: readonly Tag[],
  { isImmutable }: HostedRule,
): readonly Operation[] {
  const digestOf = (descriptor: Descriptor): Digest => descriptor.digest;
  return [
    requireContent(repository, { blobs: blobs.map(digestOf), manifests: manifests.map(digestOf) }),
    ...tags.filter(isImmutable).map((tag) => requireTag(repository, tag, digest)),
  ];
}

function operationsOf(
  repository: RepositoryName,
  record: ManifestRecord,
  tags: readonly Tag[],
  { clock }: Pick<HostedParts, 'clock'>,
): readonly Operation[] {
  const { descriptor } = record;
  const checkedAt = clock.now();
  return [
    putManifest(repository, record, 'push'),
    ...tags.map((tag) => putTag(repository, { tag, descriptor, checkedAt })),
  ];
}

/** One for each of its names. */
function pushesOf(repository: RepositoryName, descriptor: Descriptor, tags: readonly Tag[]) {
  const names = tags.length > 0 ? tags : [undefined];
  return names.map((tag) => ({ kind: 'push' as const, repository, descriptor, tag }));
}

/** In turns: four megabytes take ten milliseconds. */
async function hashed(digest: Digest, bytes: Uint8Array): Promise<VerifiedBlob> {
  const hasher = new DigestHasher(digest);
  for (let at = 0; at < bytes.length; at += hashedInTurn) {
    if (at > 0) await setImmediate();
    hasher.update(bytes.subarray(at, at + hashedInTurn));
  }
  return hasher.verify();
}

/** RFC 9110 section 10.2.3. */
function notRestored(): RegistryError {
  return new RegistryError(
    'UNAVAILABLE',
    'the tag is immutable, and the index is being made anew: nobody knows yet whether it points elsewhere',
    { status: 503, headers: { 'Retry-After': '10' } },
  );
}

function missing({ digests }: MissingContentError): RegistryError {
  const told = digests.slice(0, maxTold);
  const more = digests.length > told.length ? `, and ${digests.length - told.length} more` : '';
  return new RegistryError(
    'MANIFEST_BLOB_UNKNOWN',
    `the manifest names what this repository has not: ${told.join(', ')}${more}`,
    { detail: { digests: told } },
  );
}
