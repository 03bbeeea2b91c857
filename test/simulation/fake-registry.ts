import type { TransportRequest } from '#src/net/transport.ts';
import type { Digest, RegistryHost, Tag } from '#src/oci/reference.ts';
import { parseRequest } from '#src/oci/request.ts';
import { bytesAnswer, errorAnswer, type FakeAnswer } from './fake-answer.ts';
import { type AskedObject, blobObject, manifestObject } from './faults.ts';
import type { Model, ModelRepository } from './model.ts';

/** How a registry wants to be asked. */
export interface RegistryManners {
  readonly host: RegistryHost;
  /** Whose repositories it has: a mirror has another’s. */
  readonly serves: RegistryHost;
  readonly wants: 'nothing' | 'token' | 'password';
  /** Blobs are elsewhere, at URLs that are good for so long; milliseconds. Undefined: here. */
  readonly redirectsFor: number | undefined;
}

/** What a request asks for, as far as faults and counts are concerned. */
export interface Asked extends AskedObject {
  readonly what: 'blob' | 'manifest' | 'list' | 'token' | 'redirect' | 'other';
  readonly repository?: ModelRepository | undefined;
  readonly reference?: string | undefined;
}

const tokenLifeMs = 60_000;
/** Who we are where a password is wanted. */
export const password = { username: 'puller', password: 'open sesame' };
const basic = `Basic ${Buffer.from(`${password.username}:${password.password}`).toString('base64')}`;
const basicChallenge = { 'www-authenticate': 'Basic realm="registry"' };

/** A registry that is right in everything: its API, its token server, and where its blobs are. */
export class FakeRegistry {
  readonly #model: Model;
  readonly #manners: RegistryManners;
  readonly #tokens = new Map<string, number>();
  readonly #signed = new Map<string, number>();

  constructor(model: Model, manners: RegistryManners) {
    this.#model = model;
    this.#manners = manners;
  }

  /** Does this URL belong to it? */
  owns({ hostname }: URL): boolean {
    const { host } = this.#manners;
    return [host, `auth.${host}`, `store.${host}`].includes(hostname);
  }

  asked({ method, url }: TransportRequest): Asked {
    const { host, serves } = this.#manners;
    if (url.hostname === `auth.${host}`) return { host, object: `${host} tokens`, what: 'token' };
    if (url.hostname === `store.${host}`) {
      const digest = url.pathname.slice(1);
      return { host, object: blobObject(serves, digest), what: 'blob', reference: digest };
    }
    const request = parseRequest(method, url.pathname);
    if (request === undefined || !('name' in request)) return { host, object: `${host} /v2/`, what: 'other' };
    const repository = this.#model.find(serves, request.name);
    const object = repository === undefined ? `${host} /v2/` : manifestObject(repository.name);
    if (request.kind === 'blob') {
      const what = this.#manners.redirectsFor === undefined ? 'blob' : 'redirect';
      return {
        host,
        object: blobObject(serves, request.digest),
        what,
        repository,
        reference: request.digest,
      };
    }
    if (request.kind === 'manifest')
      return { host, object, what: 'manifest', repository, reference: request.reference };
    return { host, object, what: 'list', repository };
  }

  /** `time`: when the request was sent, which is what tokens and signatures are good for. */
  answer(request: TransportRequest, asked: Asked, time: number): FakeAnswer {
    if (asked.what === 'token') return this.#token(time);
    if (request.url.hostname !== this.#manners.host) return this.#stored(request, time);
    const { authorization = '' } = request.headers ?? {};
    if (!this.#isKnown(authorization, time)) return this.#challenge(asked);
    const { repository, reference = '' } = asked;
    if (repository?.isForbidden === true) return this.#refusal();
    if (repository === undefined) return errorAnswer(404, 'NAME_UNKNOWN');
    if (asked.what === 'manifest') return this.#manifest(repository, reference);
    if (asked.what === 'list') return tagList(repository);
    if (!repository.blobs.has(reference as Digest)) return errorAnswer(404, 'BLOB_UNKNOWN');
    return this.#blob(request, reference as Digest, time);
  }

  /** When the registry was asked for what this request, sent then, brings: before, where it was redirected. */
  askedAt({ url }: TransportRequest, sentAt: number): number {
    const until = this.#signed.get(url.searchParams.get('signature') ?? '');
    return until === undefined ? sentAt : until - (this.#manners.redirectsFor ?? 0);
  }

  #manifest(repository: ModelRepository, reference: string): FakeAnswer {
    const digest = reference.includes(':') ? (reference as Digest) : repository.tagged(reference as Tag);
    const manifest = digest === undefined ? undefined : repository.manifests.get(digest);
    if (manifest === undefined) return errorAnswer(404, 'MANIFEST_UNKNOWN');
    const headers = { 'content-type': manifest.mediaType, 'docker-content-digest': manifest.digest };
    return bytesAnswer(this.#model.content.of(manifest.digest), undefined, headers);
  }

  #blob({ headers }: TransportRequest, digest: Digest, time: number): FakeAnswer {
    const { host, redirectsFor } = this.#manners;
    if (redirectsFor === undefined) return this.#bytes(digest, headers?.['range']);
    const signature = String(this.#signed.size);
    this.#signed.set(signature, time + redirectsFor);
    const location = `https://store.${host}/${digest}?signature=${signature}`;
    return { status: 307, headers: { location, 'content-length': '0' }, body: new Uint8Array() };
  }

  /** Signed for GET, and for a while. */
  #stored({ method, url, headers }: TransportRequest, time: number): FakeAnswer {
    const until = this.#signed.get(url.searchParams.get('signature') ?? '') ?? 0;
    if (method !== 'GET' || time > until) return errorAnswer(403, 'DENIED');
    return this.#bytes(url.pathname.slice(1) as Digest, headers?.['range']);
  }

  #bytes(digest: Digest, range: string | undefined): FakeAnswer {
    return bytesAnswer(this.#model.content.of(digest), range, {
      'content-type': 'application/octet-stream',
      'docker-content-digest': digest,
    });
  }

  #isKnown(authorization: string, time: number): boolean {
    const { wants } = this.#manners;
    if (wants !== 'token') return wants === 'nothing' || authorization === basic;
    return (this.#tokens.get(authorization.replace(/^Bearer /, '')) ?? 0) > time;
  }

  /** As those registries have it that know passwords alone: the same answer as to a stranger. */
  #refusal(): FakeAnswer {
    return this.#manners.wants === 'password'
      ? errorAnswer(401, 'UNAUTHORIZED', basicChallenge)
      : errorAnswer(403, 'DENIED');
  }

  #challenge({ repository }: Asked): FakeAnswer {
    const { host, wants } = this.#manners;
    if (wants === 'password') return errorAnswer(401, 'UNAUTHORIZED', basicChallenge);
    const scope = `repository:${repository?.path ?? 'none'}:pull`;
    return errorAnswer(401, 'UNAUTHORIZED', {
      'www-authenticate': `Bearer realm="https://auth.${host}/token",service="${host}",scope="${scope}"`,
    });
  }

  #token(time: number): FakeAnswer {
    const token = `token-${this.#tokens.size}`;
    this.#tokens.set(token, time + tokenLifeMs);
    const body = Buffer.from(JSON.stringify({ token, expires_in: tokenLifeMs / 1000 }));
    return { status: 200, headers: { 'content-length': String(body.length) }, body };
  }
}

function tagList({ path, tags }: ModelRepository): FakeAnswer {
  const there = [...tags].filter(([, pointings]) => pointings.at(-1)?.digest !== undefined);
  const body = Buffer.from(JSON.stringify({ name: path, tags: there.map(([tag]) => tag) }));
  return bytesAnswer(body, undefined, { 'content-type': 'application/json' });
}
