import type { RequestListener } from 'node:http';
import type { Request as ExpressRequest, RequestHandler, Response } from 'express';
import { abortable } from '../base/abortable.ts';
import type { Log } from '../base/log.ts';
import type { Tell } from '../observe/content-event.ts';
import type { Observer } from '../observe/observer.ts';
import { RegistryError } from '../oci/error.ts';
import { hostedHost, hostOf, isDigestText, type RepositoryName } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';
import { parseRequest, type Request } from '../oci/request.ts';
import { accessLog, logExchange } from './access-log.ts';
import { withAliasHint } from './alias-hint.ts';
import { application } from './application.ts';
import { type Action, type Authorise, callerOf } from './authorise.ts';
import { refuseMisdirected } from './authority.ts';
import { type Endpoint, Endpoints } from './endpoints.ts';
import { errorResponse } from './error-response.ts';
import type { EndedExchange } from './exchange/ended-exchange.ts';
import { type Exchange, exchangeOf } from './exchange/exchange.ts';
import { defaultHeadLimit, type HeadLimit } from './exchange/head-limit.ts';
import { drained, hasBody } from './exchange/request-body.ts';
import type { FinishedAnswers } from './finished-answers.ts';
import type { Sources } from './handlers/call.ts';
import { root } from './handlers/root.ts';
import { observeExchange } from './observe-exchange.ts';
import type { OwnRights } from './own-rights.ts';
import { refuseTwice } from './sent-twice.ts';
import { type LongWay, shortWay } from './short-way.ts';
import { aliasMeant, type NamedRegistry, NoRegistryNamed, type TargetSettings, targetOf } from './target.ts';
import type { TokenPaths } from './token-paths.ts';
import { withToldPulls } from './told-pulls.ts';

export interface RouterParts extends Sources {
  readonly target: TargetSettings;
  /** Where clients reach this server, if it is known. */
  readonly publicUrl?: URL | undefined;
  /** Throws to refuse a request, while the server stops. */
  readonly admit: () => void;
  readonly authorise: Authorise;
  /** Answers what is below `/cmd`, and asks by itself who may. Default: nothing is there. */
  readonly administer?: ((exchange: Exchange) => Promise<void>) | undefined;
  /** Default: 20 s. */
  readonly headLimit?: HeadLimit | undefined;
  readonly log: Log;
  readonly observer?: Observer | undefined;
  /** Told of each manifest that a client has pulled. Default: nobody is. */
  readonly tellOfPulls?: Tell | undefined;
  /** Answers `POST /v2/webhooks/events`, and asks by itself who may. Default: nothing is there. */
  readonly takeEvents?: ((exchange: Exchange) => Promise<void>) | undefined;
  /** Where clients get tokens. Default: nowhere. */
  readonly tokens?: TokenPaths | undefined;
  /** Where each client has what he has a right to elsewhere. Default: nowhere. */
  readonly ownRights?: OwnRights | undefined;
  /** Default: every answer is put together anew. */
  readonly finished?: FinishedAnswers | undefined;
}

/** Where registries tell us what happened there: none of the API's own. */
const eventsPath = '/v2/webhooks/events';

/** A request on its way through Express. */
interface OnItsWay extends ExpressRequest {
  /** Whose word counts for it. */
  readonly authorise: Authorise;
}

/**
 * The distribution API over a registry. Express gives the frame; the path is parsed by ourselves, from its raw form, since
 * repository names have any depth and escapes are decoded exactly once. Express itself is shown `/` alone: it would take apart an
 * absolute form by rules of its own.
 */
export function createRouter(parts: RouterParts, endpoints = new Endpoints()): RequestListener {
  const { log, observer, headLimit, finished, tellOfPulls } = parts;
  const { clock } = headLimit ?? defaultHeadLimit;
  const observe = withToldPulls(observeExchange(observer), tellOfPulls, clock);
  const app = application();
  app.use(accessLog(log, observe, headLimit));
  app.use(distribution(parts, endpoints));
  app.use(elsewhere);
  app.use(errorResponse(log, clock));
  const longWay: LongWay = (request, response, authorise = parts.authorise) =>
    void app(
      Object.assign(request, { originalUrl: request.url, url: '/', authorise }) as OnItsWay,
      response as Response,
    );
  if (finished === undefined) return (request, response) => longWay(request, response);
  const over = (exchange: EndedExchange): void => {
    logExchange(log, exchange);
    observe(exchange);
  };
  return shortWay({ ...parts, finished, over }, longWay);
}

function distribution(parts: RouterParts, endpoints: Endpoints): RequestHandler {
  return async (request, response, next) => {
    const exchange = exchangeOf(response);
    const { path, target } = exchange;
    refuseTwice(request.rawHeaders);
    if (target.server !== undefined) {
      const { localAddress, localPort } = request.socket;
      refuseMisdirected(target.server, { localAddress, localPort, publicUrl: parts.publicUrl });
    }
    if (parts.administer !== undefined && isBelow('/cmd', path)) {
      parts.admit();
      if (hasBody(exchange)) throw bodyError(exchange, 'this call takes no body');
      await parts.administer(exchange);
      return;
    }
    if (parts.tokens?.has(path) === true) {
      parts.admit();
      await parts.tokens.answer(exchange);
      return;
    }
    if (!isBelow('/v2', path)) {
      next();
      return;
    }
    response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    parts.admit();
    if (parts.takeEvents !== undefined && request.method === 'POST' && path === eventsPath) {
      await parts.takeEvents(exchange);
      return;
    }
    endpoints.checkMethod(request.method);
    if (!takesBody(request.method) && hasBody(exchange))
      throw bodyError(exchange, `${isRead(request.method) ? 'a read' : request.method} takes no body`);
    if (isRead(request.method)) await serve(exchange, endpoints, parts);
    else await serveChange(exchange, endpoints, parts);
  };
}

/** What is not read of a body is taken before the answer, within bounds. */
async function serveChange(exchange: Exchange, endpoints: Endpoints, parts: RouterParts): Promise<void> {
  try {
    await serve(exchange, endpoints, parts);
  } catch (error) {
    await drained(exchange);
    throw error;
  }
}

/**
 * Parse, target, authorise, answer. Who may not come in hears nothing of names either: which are aliases, and of what. Besides, answers
 * `OCI-Namespace` (distribution-spec "Registry Proxying").
 */
async function serve(exchange: Exchange, endpoints: Endpoints, parts: RouterParts): Promise<void> {
  const { endpoint, request } = asked(exchange, endpoints);
  const { repository, fault, nearAlias } = targetIn(exchange, request, parts.target);
  const { action } = endpoint;
  const { authorise } = exchange.request as OnItsWay;
  const verdict = authorise({
    ...{ action, request, repository, caller: callerOf(exchange.request), tell: exchange.meet },
  });
  if (verdict !== undefined) await exchange.ask(async ({ signal }) => await abortable(verdict, signal));
  if (fault instanceof NoRegistryNamed && !isPull(action)) throw notHosted(fault);
  if (fault !== undefined) throw fault;
  if (exchange.host !== undefined && exchange.host !== hostedHost)
    exchange.response.setHeader('OCI-Namespace', exchange.host);
  const { ownRights } = parts;
  const registry = ownRights && (await asHeMay(exchange, action, repository, ownRights));
  const sources = registry === undefined ? parts : { ...parts, registry };
  try {
    await endpoint.answer({ exchange, request, repository }, sources);
    noteAnswer(exchange, request, repository);
    parts.finished?.keep(exchange, { action, request, repository });
  } catch (error) {
    throw withAliasHint(error, nearAlias);
  }
}

/** The registry as it lets this caller have it. Undefined: it is the same for all. */
async function asHeMay(
  exchange: Exchange,
  action: Action,
  repository: RepositoryName | undefined,
  ownRights: OwnRights,
): Promise<Registry | undefined> {
  const caller = callerOf(exchange.request);
  // Where he really comes from, if that was looked at.
  const asking = { ...caller, address: exchange.known?.address ?? caller.address };
  if (action === 'version') {
    const { header, ns } = registryIn(exchange);
    await exchange.ask(async (options) => await ownRights.login(header ?? ns, asking, options));
  }
  const isRead = action === 'pull' && repository !== undefined;
  return isRead ? ownRights.registryFor(repository, asking) : undefined;
}

/** Whoever judges digests hears which one a tag was answered with. */
function noteAnswer(
  { known, response, request: { method } }: Exchange,
  request: Request | undefined,
  repository: RepositoryName | undefined,
): void {
  if (known === undefined || repository === undefined || request?.kind !== 'manifest' || !isRead(method))
    return;
  const digest = response.getHeader('Docker-Content-Digest');
  if (response.statusCode < 300 && typeof digest === 'string' && isDigestText(digest))
    known.answered(repository, digest);
}

/** `request`: undefined, where the endpoint is one of our own. Throws for what is not served. */
function asked(
  exchange: Exchange,
  endpoints: Endpoints,
): { readonly endpoint: Endpoint; readonly request: Request | undefined } {
  const { path, query } = exchange;
  const { method } = exchange.request;
  const parsed = parseRequest(method, path, query);
  if (parsed !== undefined) exchange.kind = parsed.kind === 'upload' ? 'uploads' : parsed.kind;
  const endpoint = endpoints.find(parsed, path, method);
  // What has an endpoint has one of its kind's methods.
  return { endpoint, request: parsed as Request | undefined };
}

interface Target {
  /** Undefined: the request is about none, or there is a fault. */
  readonly repository?: RepositoryName;
  /** Why the name means none. */
  readonly fault?: RegistryError;
  readonly nearAlias: () => string | undefined;
}

const noTarget: Target = { nearAlias: () => undefined };

function targetIn(exchange: Exchange, request: Request | undefined, settings: TargetSettings): Target {
  if (request === undefined || !('name' in request)) return noTarget;
  const { name } = request;
  const named = registryIn(exchange);
  const nearAlias = (): string | undefined => aliasMeant(name, named, settings);
  try {
    const repository = targetOf(name, named, settings);
    exchange.host = hostOf(repository);
    return { repository, nearAlias };
  } catch (error) {
    if (error instanceof RegistryError) return { fault: error, nearAlias };
    throw error;
  }
}

function registryIn({ request, query }: Exchange): NamedRegistry {
  return { header: request.get('x-registry') || undefined, ns: query.get('ns') || undefined };
}

function isBelow(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

function takesBody(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}

function isPull(action: Action): boolean {
  return action !== 'push' && action !== 'delete';
}

/** A name that says nothing of a registry, and is none of what lives here: nothing is pushed to a default. */
function notHosted(fault: RegistryError): RegistryError {
  return new RegistryError(
    'UNSUPPORTED',
    `no repository of this name lives here (see "hosted"); ${fault.message}`,
    {
      headers: { Allow: 'GET, HEAD' },
      cause: fault,
    },
  );
}

/** What comes as a body is not read. */
function bodyError({ response }: Exchange, message: string): RegistryError {
  response.setHeader('Connection', 'close');
  return new RegistryError('UNSUPPORTED', message, { status: 400 });
}

/** Beside the API: something at the root, the original's message elsewhere. */
const elsewhere: RequestHandler = (request, response) => {
  const exchange = exchangeOf(response);
  const isRoot = exchange.path === '/' && (request.method === 'GET' || request.method === 'HEAD');
  if (isRoot) root(exchange);
  else exchange.sendJson(404, { message: 'no matching operation was found' });
};
