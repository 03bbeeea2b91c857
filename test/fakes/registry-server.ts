import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { Clock } from '#src/base/clock.ts';
import type { Log } from '#src/base/log.ts';
import { type Authorise, admitAll } from '#src/http/authorise.ts';
import type { Endpoints } from '#src/http/endpoints.ts';
import type { HeadLimit } from '#src/http/exchange/head-limit.ts';
import { FinishedAnswers } from '#src/http/finished-answers.ts';
import { createRouter, type RouterParts } from '#src/http/router.ts';
import { type RunningServer, startServer } from '#src/http/server.ts';
import type { TargetSettings } from '#src/http/target.ts';
import type { Tell } from '#src/observe/content-event.ts';
import type { Observer } from '#src/observe/observer.ts';
import type { Pushes } from '#src/oci/pushes.ts';
import type { RepositoryName } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { LogLines } from './log-lines.ts';
import { assertSecretless } from './secrets.ts';

export interface ServerOptions {
  readonly target?: Partial<TargetSettings>;
  readonly linkPrefix?: string;
  readonly publicUrl?: URL;
  readonly log?: Log;
  readonly admit?: () => void;
  readonly authorise?: Authorise;
  readonly administer?: RouterParts['administer'];
  readonly endpoints?: Endpoints;
  readonly pushes?: Pushes;
  readonly tellOfPulls?: Tell;
  readonly headLimit?: HeadLimit;
  readonly catalog?: readonly RepositoryName[];
  readonly observer?: Observer;
  /** Default: as the program has them. */
  readonly finished?: FinishedAnswers | 'none';
  /** The connections'. */
  readonly clock?: Clock;
}

/** Our own server over any registry, on a port that the system gives. */
export async function serveRegistry(registry: Registry, options: ServerOptions = {}): Promise<RunningServer> {
  const parts = {
    registry,
    catalog: async ({ last = '', limit }) =>
      (options.catalog ?? []).filter((name) => name > last).slice(0, limit),
    target: { aliases: new Map(), defaultNs: undefined, ...options.target },
    linkPrefix: options.linkPrefix ?? '',
    publicUrl: options.publicUrl,
    admit: options.admit ?? (() => {}),
    authorise: options.authorise ?? admitAll,
    administer: options.administer,
    pushes: options.pushes,
    tellOfPulls: options.tellOfPulls,
    headLimit: options.headLimit,
    log: options.log ?? new LogLines(),
    observer: options.observer,
    finished: options.finished === 'none' ? undefined : (options.finished ?? new FinishedAnswers(2 ** 24)),
  } satisfies RouterParts;
  return await startServer(createRouter(parts, options.endpoints), {
    host: '127.0.0.1',
    port: 0,
    maxConnections: 10_000,
    // No test waits for it, and a busy machine may keep an answer from one for long.
    idleTimeoutMs: 120_000,
    takesBodies: options.pushes !== undefined,
    ...(options.clock && { clock: options.clock }),
  });
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Did the connection break before the body was whole? */
  readonly isCut: boolean;
}

/** One request on a connection of its own; the path goes out letter by letter. No secret may be in the answer. */
export async function ask(...request: Parameters<typeof send>): Promise<Answer> {
  const answer = await send(...request);
  assertSecretless(`${JSON.stringify(answer.headers)}\n${answer.body.toString('latin1')}`, 'an answer');
  return answer;
}

async function send(
  server: { readonly port: number },
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options;
  return await new Promise((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port: server.port,
      path,
      method,
      headers,
      agent: false,
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      const done = (isCut: boolean): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
          isCut,
        });
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => done(false));
      response.on('error', () => done(true));
    });
    request.end(body);
  });
}

/** The code of an error body in the specification's form. */
export function codeOf({ body }: Answer): unknown {
  const { errors } = JSON.parse(body.toString('utf8')) as { errors: { code: string }[] };
  return errors[0]?.code;
}
