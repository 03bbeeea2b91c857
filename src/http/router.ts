import type { RequestListener } from 'node:http';
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { Log } from '../base/log.ts';
import type { Observer } from '../observe/observer.ts';
import { type Endpoint, parseEndpoint } from '../oci/endpoint.ts';
import { RegistryError } from '../oci/error.ts';
import { hostOf, type RepositoryName } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';
import { accessLog } from './access-log.ts';
import { withAliasHint } from './alias-hint.ts';
import { refuseMisdirected } from './authority.ts';
import { errorResponse } from './error-response.ts';
import { type Exchange, exchangeOf } from './exchange.ts';
import { blob } from './handlers/blob.ts';
import { type Catalog, catalog } from './handlers/catalog.ts';
import { manifest } from './handlers/manifest.ts';
import { referrers } from './handlers/referrers.ts';
import { root } from './handlers/root.ts';
import { tags } from './handlers/tags.ts';
import { version } from './handlers/version.ts';
import type { HeadLimit } from './head-limit.ts';
import { observeExchange } from './observe-exchange.ts';
import { aliasMeant, type NamedRegistry, type TargetSettings, targetOf } from './target.ts';

export interface RouterParts {
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly target: TargetSettings;
  /** The path under which clients reach this server, without a slash at its end: `''`, `/cache`. */
  readonly linkPrefix: string;
  /** Where clients reach this server, if it is known. */
  readonly publicUrl?: URL | undefined;
  /** Throws to refuse a request, while the server stops. */
  readonly admit: () => void;
  /** Default: 20 s. */
  readonly headLimit?: HeadLimit | undefined;
  readonly log: Log;
  readonly observer?: Observer | undefined;
}

/**
 * The distribution API over a registry. Express gives the frame; the path is parsed by ourselves, from its raw form, since
 * repository names have any depth and escapes are decoded exactly once. Express itself is shown `/` alone: it would take apart an
 * absolute form by rules of its own.
 */
export function createRouter(parts: RouterParts): RequestListener {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // What fails even here shows no stack to anybody.
  app.set('env', 'production');
  app.set('query parser', false);
  app.use(accessLog(parts.log, observeExchange(parts.observer), parts.headLimit));
  app.use(distribution(parts));
  app.use(elsewhere);
  app.use(errorResponse(parts.log));
  return (request, response) =>
    void app(Object.assign(request, { originalUrl: request.url, url: '/' }) as Request, response as Response);
}

function distribution(parts: RouterParts): RequestHandler {
  return async (request, response, next) => {
    const exchange = exchangeOf(response);
    const { path, target } = exchange;
    refuseTwoHosts(request.rawHeaders);
    if (target.server !== undefined) {
      const { localAddress, localPort } = request.socket;
      refuseMisdirected(target.server, { localAddress, localPort, publicUrl: parts.publicUrl });
    }
    if (path !== '/v2' && !path.startsWith('/v2/')) {
      next();
      return;
    }
    response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    parts.admit();
    refuseWrites(exchange);
    try {
      if (path === '/v2/auth') dockerLogin(exchange);
      else await dispatch(exchange, parts);
    } catch (error) {
      throw withAliasHint(error, () => aliasMeantBy(exchange, parts.target));
    }
  };
}

async function dispatch(exchange: Exchange, parts: RouterParts): Promise<void> {
  const endpoint = parseEndpoint(exchange.path);
  const { registry, linkPrefix } = parts;
  if (endpoint !== undefined) exchange.kind = endpoint.kind;
  switch (endpoint?.kind) {
    case undefined:
      throw new RegistryError('NAME_UNKNOWN', 'no such endpoint in the distribution API');
    case 'uploads':
      throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'this registry takes no uploads');
    case 'version':
      version(exchange);
      return;
    case 'catalog':
      await catalog(exchange, parts.catalog, linkPrefix);
      return;
    case 'manifest':
      await manifest(exchange, registry, repositoryOf(exchange, endpoint, parts), endpoint.reference);
      return;
    case 'blob':
      await blob(exchange, registry, repositoryOf(exchange, endpoint, parts), endpoint.digest);
      return;
    case 'tags':
      await tags(exchange, registry, repositoryOf(exchange, endpoint, parts), linkPrefix);
      return;
    case 'referrers':
      await referrers(exchange, registry, repositoryOf(exchange, endpoint, parts), endpoint.digest);
  }
}

/** Also answers `OCI-Namespace` (distribution-spec "Registry Proxying"). */
function repositoryOf(
  exchange: Exchange,
  { name }: Extract<Endpoint, { name: string }>,
  { target }: RouterParts,
): RepositoryName {
  const repository = targetOf(name, registryIn(exchange), target);
  exchange.host = hostOf(repository);
  exchange.response.setHeader('OCI-Namespace', exchange.host);
  return repository;
}

function aliasMeantBy(exchange: Exchange, target: TargetSettings): string | undefined {
  const endpoint = parseEndpoint(exchange.path);
  if (endpoint === undefined || !('name' in endpoint)) return undefined;
  return aliasMeant(endpoint.name, registryIn(exchange), target);
}

function registryIn({ request, query }: Exchange): NamedRegistry {
  return { header: request.get('x-registry') || undefined, ns: query.get('ns') || undefined };
}

/** Whoever stands before us may have gone by the other one (RFC 9112 section 3.2). `rawHeaders`: names and values in turn. */
function refuseTwoHosts(rawHeaders: readonly string[]): void {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts > 1)
    throw new RegistryError('UNSUPPORTED', 'there is more than one Host header', { status: 400 });
}

/** Pull-through only; and a read has no body, so whatever comes as one is not read. */
function refuseWrites({ request, response }: Exchange): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Connection', 'close');
    throw new RegistryError('UNSUPPORTED', 'this registry only serves pulls', {
      headers: { Allow: 'GET, HEAD' },
    });
  }
  const length = request.headers['content-length'];
  if (request.headers['transfer-encoding'] === undefined && (length === undefined || Number(length) === 0))
    return;
  response.setHeader('Connection', 'close');
  throw new RegistryError('UNSUPPORTED', 'a read takes no body', { status: 400 });
}

/** What the original answers to whoever wants to log in: nobody has to. */
function dockerLogin(exchange: Exchange): void {
  if (exchange.request.headers.authorization !== undefined) exchange.sendJson(200, { token: 'FROBOZZ' });
  else throw new RegistryError('UNSUPPORTED', 'the Authorization header is missing', { status: 400 });
}

/** Beside the API: something at the root, the original's message elsewhere. */
const elsewhere: RequestHandler = (request, response) => {
  const exchange = exchangeOf(response);
  const isRoot = exchange.path === '/' && (request.method === 'GET' || request.method === 'HEAD');
  if (isRoot) root(exchange);
  else exchange.sendJson(404, { message: 'no matching operation was found' });
};
