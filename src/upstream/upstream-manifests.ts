import { algorithmOf, digestLike, sha256 } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { maxManifestSize, parseManifest } from '../oci/manifest.ts';
import { acceptedManifests, mediaTypeOf } from '../oci/media-type.ts';
import {
  type Digest,
  isDigest,
  parseDigest,
  pathOf,
  type Reference,
  type RepositoryName,
} from '../oci/reference.ts';
import type { CallOptions, Descriptor, Manifest } from '../oci/registry.ts';
import { readBody } from './body.ts';
import { contentEncoding, decode } from './content-encoding.ts';
import { parseLength } from './content-range.ts';
import type { TransportResponse } from './transport/transport.ts';
import { isHeadRefused, isMethodRefused, type UpstreamSession } from './upstream-session.ts';

type Headers = TransportResponse['headers'];

/** Docker's schema 1: its digest is not that of its bytes, and nobody builds it any more. */
const schema1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;
/** A Content-Type that leaves the kind of manifest to its bytes. */
const vague = /^(?:text\/|application\/json$|(?:application|binary)\/octet-stream$)/;

/** Manifests of one upstream (distribution-spec "Pulling manifests"). */
export class UpstreamManifests {
  readonly #session: UpstreamSession;

  constructor(session: UpstreamSession) {
    this.#session = session;
  }

  async resolve(repository: RepositoryName, reference: Reference, options: CallOptions): Promise<Descriptor> {
    if (this.#session.refusesHead) return (await this.get(repository, reference, options)).descriptor;
    const response = await this.#send('HEAD', repository, reference, options);
    const refused = isHeadRefused(response.status);
    if (response.status !== 200 && !refused) throw await this.#session.error(response, 'MANIFEST_UNKNOWN');
    await response[Symbol.asyncDispose]();
    const described = refused ? undefined : describe(reference, response.headers);
    if (described !== undefined) return described;
    const { descriptor } = await this.get(repository, reference, options);
    if (isMethodRefused(response.status)) this.#session.rememberHeadRefused();
    return descriptor;
  }

  async get(repository: RepositoryName, reference: Reference, options: CallOptions): Promise<Manifest> {
    await using response = await this.#send('GET', repository, reference, options);
    if (response.status !== 200) throw await this.#session.error(response, 'MANIFEST_UNKNOWN');
    const sent = await readBody(response, {
      maxBytes: maxManifestSize,
      what: 'manifest',
      signal: options.signal,
    });
    const bytes = await this.#verified(sent, response.headers, reference);
    const { mediaType } = parseManifest(bytes, response.headers['content-type']);
    if (schema1.test(mediaType)) {
      throw new RegistryError(
        'UNAVAILABLE',
        'upstream has this image as schema 1 only, which is not supported',
      );
    }
    // By tag nothing vouches for the bytes, and any JSON with status 200 would be cached: `{"errors": …}` for one.
    if (!isDigest(reference) && vague.test(mediaType)) {
      throw new RegistryError('UNAVAILABLE', 'upstream sent JSON that is no manifest');
    }
    const digest = isDigest(reference) ? reference : sha256(bytes);
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  }

  #send(
    method: 'GET' | 'HEAD',
    repository: RepositoryName,
    reference: Reference,
    { signal }: CallOptions,
  ): Promise<TransportResponse> {
    const url = this.#session.url({ kind: 'manifest', name: pathOf(repository), reference });
    const headers = { accept: acceptedManifests };
    return this.#session.send({ method, repository, url, headers, maxBodyBytes: maxManifestSize, signal });
  }

  /**
   * The manifest's own bytes, freed of an encoding that we did not ask for. By digest they must hash to it; by tag
   * their hash is the digest, and a header that says otherwise is wrong (converted schema 1, distribution#3718).
   */
  async #verified(sent: Uint8Array, headers: Headers, reference: Reference): Promise<Uint8Array> {
    const announced = announcedDigest(headers);
    const expected = isDigest(reference) ? reference : announced;
    if (expected !== undefined && digestLike(expected, sent) === expected) return sent;
    const encoding = contentEncoding(headers);
    const bytes = encoding === undefined ? sent : await decode(sent, encoding, maxManifestSize);
    if (expected === undefined || digestLike(expected, bytes) === expected) return bytes;
    if (isDigest(reference)) {
      const got = digestLike(reference, bytes);
      throw new RegistryError('UNAVAILABLE', `upstream sent a wrong manifest: want ${reference}, got ${got}`);
    }
    this.#session.onOddity('upstream announced a wrong digest', {
      reference,
      announced,
      digest: sha256(bytes),
    });
    return bytes;
  }
}

/** Undefined where the headers alone do not say it all. */
function describe(reference: Reference, headers: Headers): Descriptor | undefined {
  const announced = announcedDigest(headers);
  const size = parseLength(headers['content-length']);
  const mediaType = mediaTypeOf(headers['content-type']);
  if (announced === undefined || size === undefined || mediaType === undefined) return undefined;
  if (vague.test(mediaType) || schema1.test(mediaType) || contentEncoding(headers) !== undefined)
    return undefined;
  if (!isDigest(reference)) return { mediaType, digest: announced, size };
  // Some registries announce the sha256 digest, whichever was asked for.
  const contradicts = algorithmOf(announced) === algorithmOf(reference) && announced !== reference;
  return contradicts ? undefined : { mediaType, digest: reference, size };
}

function announcedDigest(headers: Headers): Digest | undefined {
  try {
    return parseDigest(headers['docker-content-digest']?.trim() ?? '');
  } catch {
    return undefined;
  }
}
