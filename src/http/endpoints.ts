import { RegistryError } from '../oci/error.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { Asked, Kind, MethodOf, Request } from '../oci/request.ts';
import type { Action } from './authorise.ts';
import type { Exchange } from './exchange/exchange.ts';
import { blob } from './handlers/blob.ts';
import type { Handler, Sources } from './handlers/call.ts';
import { catalog } from './handlers/catalog.ts';
import { deleteManifest, putManifest } from './handlers/change-manifest.ts';
import { deleteBlob } from './handlers/delete-blob.ts';
import { login } from './handlers/login.ts';
import { manifest } from './handlers/manifest.ts';
import { referrers } from './handlers/referrers.ts';
import { tags } from './handlers/tags.ts';
import { appendToUpload, cancelUpload, commitUpload, uploadState } from './handlers/upload.ts';
import { beginUpload } from './handlers/uploads.ts';
import { version } from './handlers/version.ts';

/** Which requests are served, what they do, and who answers them. */
export interface Endpoint {
  /** A kind of request of the distribution API, or a path of our own that is none of it, as it is sent. */
  readonly place: Kind | `/v2/${string}`;
  readonly methods: readonly string[];
  readonly action: Action;
  /** Of no other requests than its own. */
  readonly answer: (
    call: { exchange: Exchange; request: Request | undefined; repository: RepositoryName | undefined },
    sources: Sources,
  ) => Promise<void> | void;
}

const reads = ['GET', 'HEAD'] as const;

/** All that is served below `/v2/`. */
export const served: readonly Endpoint[] = [
  api('version', reads, 'version', version),
  api('catalog', reads, 'catalog', catalog),
  api('manifest', reads, 'pull', manifest),
  api('blob', reads, 'pull', blob),
  api('tags', reads, 'pull', tags),
  api('referrers', reads, 'pull', referrers),
  own('/v2/auth', reads, 'login', login),
];

/** What is served besides where repositories live here. */
export const hostedServed: readonly Endpoint[] = [
  api('manifest', ['PUT'], 'push', putManifest),
  api('manifest', ['DELETE'], 'delete', deleteManifest),
  api('blob', ['DELETE'], 'delete', deleteBlob),
  api('uploads', ['POST'], 'push', beginUpload),
  api('upload', reads, 'push', uploadState),
  api('upload', ['PATCH'], 'push', appendToUpload),
  api('upload', ['PUT'], 'push', commitUpload),
  api('upload', ['DELETE'], 'push', cancelUpload),
];

export function api<K extends Kind>(
  place: K,
  methods: readonly MethodOf<K>[],
  action: Action,
  answer: Handler<K>,
): Endpoint {
  return { place, methods, action, answer: answer as Endpoint['answer'] };
}

export function own(
  place: `/v2/${string}`,
  methods: readonly string[],
  action: Action,
  answer: (exchange: Exchange, sources: Sources) => Promise<void> | void,
): Endpoint {
  return { place, methods, action, answer: ({ exchange }, sources) => answer(exchange, sources) };
}

/** Finds the endpoint of a request. */
export class Endpoints {
  readonly #byPlace: ReadonlyMap<string, readonly Endpoint[]>;
  readonly #methods: readonly string[];
  readonly #words: string;

  constructor(rows = served) {
    this.#byPlace = Map.groupBy(rows, ({ place }) => place);
    this.#methods = methodsOf(rows);
    this.#words = rows.some(({ action }) => action === 'push')
      ? 'nothing is done by this method here'
      : 'this registry only serves pulls';
  }

  /** Throws UNSUPPORTED (405) for a method that no endpoint has: then nothing else of the request is looked at. */
  checkMethod(method: string): void {
    if (!this.#methods.includes(method)) throw notAllowed(this.#methods, this.#words);
  }

  /** `asked`: undefined, where the path is none of the distribution API. Throws what a request is answered that is not served. */
  find(asked: Asked | undefined, path: string, method: string): Endpoint {
    const there = this.#byPlace.get(asked?.kind ?? path) ?? [];
    const found = there.find(({ methods }) => methods.includes(method));
    if (found !== undefined) return found;
    if (there.length > 0) throw notAllowed(methodsOf(there), this.#words);
    if (asked?.kind === 'uploads' || asked?.kind === 'upload')
      throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'this registry takes no uploads');
    throw new RegistryError('NAME_UNKNOWN', 'no such endpoint in the distribution API');
  }
}

function methodsOf(endpoints: readonly Endpoint[]): readonly string[] {
  return [...new Set(endpoints.flatMap(({ methods }) => methods))];
}

/** Whatever comes as its body is not read. */
function notAllowed(methods: readonly string[], words: string): RegistryError {
  return new RegistryError('UNSUPPORTED', words, {
    headers: { Connection: 'close', Allow: methods.join(', ') },
  });
}
