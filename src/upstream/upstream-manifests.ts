import { readBody } from '../net/body.ts';
import { contentEncoding, decode } from '../net/content-encoding.ts';
import { parseLength } from '../net/content-range.ts';
import { timesWhileRead } from '../net/small-body.ts';
import type { TransportResponse } from '../net/transport.ts';
import { Busy, tooMuchRead } from '../oci/busy.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, digestAside } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { maxManifestSize } from '../oci/manifest.ts';
import { acceptedManifests, type MediaType, mediaTypeOf } from '../oci/media-type.ts';
import { ownText } from '../oci/own-text.ts';
import {
  type Digest,
  isDigest,
  parseDigest,
  pathOf,
  type Reference,
  type RepositoryName,
} from '../oci/reference.ts';
import type { CallOptions, Manifest, ResolveManifestOptions } from '../oci/registry.ts';
import { isSchema1Only, isTooLarge } from './upstream-error.ts';
import type { UpstreamSession } from './upstream-session.ts';

type Headers = TransportResponse['headers'];

/** Docker's schema 1: its digest is not that of its bytes, and nobody builds it any more. */
const schema1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;
/** A Content-Type that leaves the kind of manifest to its bytes. */
const vague = /^(?:text\/|application\/json$|(?:application|binary)\/octet-stream$)/;

/** The bytes of a manifest, which `digest` is the digest of; nobody has looked into them. */
export interface FetchedManifest {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  /** As upstream sent it. */
  readonly contentType: string | undefined;
  /** What upstream was asked for to get them. */
  readonly by: Reference;
  /** As in {@link Manifest}. */
  readonly contradicts?: Digest;
}

/** Manifests of one upstream (distribution-spec "Pulling manifests"). */
export class UpstreamManifests {
  readonly #session: UpstreamSession;

  constructor(session: UpstreamSession) {
    this.#session = session;
  }

  /**
   * A HEAD that says all; else a GET. A HEAD's no is confirmed by a GET too, since some proxies answer HEAD with 404 for what they
   * have. That doubles the requests for what is really not there, at most one GET in `negativeTtl` for each name: whoever
   * limits pulls counts manifests that were given, and a tag that is taken for gone costs more.
   */
  async resolve(
    repository: RepositoryName,
    reference: Reference,
    options: ResolveManifestOptions,
  ): Promise<Descriptor> {
    if (this.#session.refusesHead) return await this.#resolveByGet(repository, reference, options);
    const response = await this.#send('HEAD', repository, reference, options);
    const { status, headers } = response;
    if (!this.#session.mayBeThere(response)) throw await this.#session.error(response, 'MANIFEST_UNKNOWN');
    await response[Symbol.asyncDispose]();
    const described = status === 200 ? describe(reference, headers) : undefined;
    if (described !== undefined) return described;
    const descriptor = await this.#resolveByGet(repository, reference, options);
    this.#session.contradictHead(status);
    return descriptor;
  }

  async #resolveByGet(
    repository: RepositoryName,
    reference: Reference,
    options: ResolveManifestOptions,
  ): Promise<Descriptor> {
    const manifest = await this.get(repository, reference, options);
    options.take?.(manifest);
    return manifest.descriptor;
  }

  /** As {@link fetch}; throws UNAVAILABLE also for bytes that are no manifest, UNSUPPORTED for schema 1. */
  async get(repository: RepositoryName, reference: Reference, options: CallOptions): Promise<Manifest> {
    const { bytes, digest, contentType, by, contradicts } = await this.fetch(repository, reference, options);
    const { head: content } = await this.#session.read('manifest', bytes, contentType);
    checkServable(content.mediaType, by);
    options.room?.settle(bytes.length);
    const descriptor = { mediaType: content.mediaType, digest, size: bytes.length };
    return { descriptor, bytes, content, ...(contradicts && { contradicts }) };
  }

  /**
   * By digest the bytes must hash to it. By tag they must hash to the digest that upstream announces with them: those that do
   * not are asked for again by that digest, and where it is not to be had they are taken for what they hash to.
   */
  async fetch(
    repository: RepositoryName,
    reference: Reference,
    options: CallOptions,
  ): Promise<FetchedManifest> {
    const { sent, headers } = await this.#read(repository, reference, options);
    const expected = isDigest(reference) ? reference : announcedDigest(headers);
    const { bytes, matches } = await decoded(sent, headers, expected, options);
    const fetched = { bytes, contentType: headers['content-type'], by: reference };
    if (expected !== undefined && matches) return { ...fetched, digest: expected };
    if (isDigest(reference)) {
      const got = await digestAside(algorithmOf(reference), bytes);
      throw new RegistryError('UNAVAILABLE', `upstream sent a wrong manifest: want ${reference}, got ${got}`);
    }
    const digest = await digestAside('sha256', bytes);
    if (expected === undefined) return { ...fetched, digest };
    this.#session.onOddity('upstream announced a wrong digest', { reference, announced: expected, digest });
    const announced = await this.#announced(repository, expected, options);
    return announced ?? { ...fetched, digest, contradicts: expected };
  }

  async #announced(
    repository: RepositoryName,
    digest: Digest,
    options: CallOptions,
  ): Promise<FetchedManifest | undefined> {
    try {
      return await this.fetch(repository, digest, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof Busy) throw error;
      return undefined;
    }
  }

  async #read(
    repository: RepositoryName,
    reference: Reference,
    options: CallOptions,
  ): Promise<{ sent: Uint8Array; headers: Headers }> {
    await using response = await this.#send('GET', repository, reference, options);
    if (response.status !== 200) throw await this.#session.error(response, 'MANIFEST_UNKNOWN');
    const { signal } = options;
    const limits = { maxBytes: maxManifestSize, what: 'manifest', tooLarge: isTooLarge, signal };
    const sent = await readBody(response, limits);
    return { sent, headers: response.headers };
  }

  #send(
    method: 'GET' | 'HEAD',
    repository: RepositoryName,
    reference: Reference,
    { signal, room }: CallOptions,
  ): Promise<TransportResponse> {
    const line = this.#session.line({ kind: 'manifest', method, name: pathOf(repository), reference });
    const headers = { accept: acceptedManifests };
    return this.#session.send({ ...line, repository, headers, maxBodyBytes: maxManifestSize, room, signal });
  }
}

/**
 * The manifest's own bytes, freed of an encoding that we did not ask for unless it is them that hash to the digest. What is not in the
 * encoding that it is said to be in is taken as it is: some servers say so of what they never encoded.
 */
async function decoded(
  sent: Uint8Array,
  headers: Headers,
  expected: Digest | undefined,
  { room, signal }: CallOptions,
): Promise<{ bytes: Uint8Array; matches: boolean }> {
  if (await isOf(expected, sent)) return { bytes: sent, matches: true };
  const encoding = contentEncoding(headers);
  if (encoding === undefined) return { bytes: sent, matches: false };
  if (room !== undefined && !(await room.wait(timesWhileRead * maxManifestSize, signal))) throw tooMuchRead();
  const bytes = await decode(sent, encoding, maxManifestSize).catch(() => sent);
  return { bytes, matches: await isOf(expected, bytes) };
}

async function isOf(expected: Digest | undefined, bytes: Uint8Array): Promise<boolean> {
  return expected !== undefined && (await digestAside(algorithmOf(expected), bytes)) === expected;
}

/** Throws for what upstream gave by a tag or a digest and we do not serve. */
export function checkServable(mediaType: MediaType, by: Reference): void {
  if (schema1.test(mediaType)) throw isSchema1Only();
  // By tag nothing vouches for the bytes, and any JSON with status 200 would be cached: `{"errors": …}` for one.
  if (!isDigest(by) && vague.test(mediaType)) {
    throw new RegistryError('UNAVAILABLE', 'upstream sent JSON that is no manifest');
  }
}

/** Undefined where the headers alone do not say it all. */
function describe(reference: Reference, headers: Headers): Descriptor | undefined {
  const announced = announcedDigest(headers);
  const size = parseLength(headers['content-length']);
  const mediaType = mediaTypeOf(headers['content-type']);
  if (announced === undefined || size === undefined || mediaType === undefined) return undefined;
  // No manifest has no bytes, and one of more than we read is refused when it is asked for.
  if (size === 0 || size > maxManifestSize) return undefined;
  if (vague.test(mediaType) || schema1.test(mediaType) || contentEncoding(headers) !== undefined)
    return undefined;
  if (!isDigest(reference)) return { mediaType, digest: announced, size };
  // Some registries announce the sha256 digest, whichever was asked for.
  const contradicts = algorithmOf(announced) === algorithmOf(reference) && announced !== reference;
  return contradicts ? undefined : { mediaType, digest: reference, size };
}

function announcedDigest(headers: Headers): Digest | undefined {
  try {
    return ownText(parseDigest(headers['docker-content-digest']?.trim() ?? ''));
  } catch {
    return undefined;
  }
}
