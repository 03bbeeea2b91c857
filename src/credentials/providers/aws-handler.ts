import { Readable } from 'node:stream';
import type { Questions } from './provider.ts';

/** What of a request of the AWS SDK is sent on: its `HttpRequest`. */
interface AwsRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | string[] | null>> | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The wire writes these itself. */
const ownHeaders = new Set(['connection', 'content-length', 'host']);

/**
 * The requests of a client of the AWS SDK over connections of ours: its `RequestHandler` (Smithy). Which identity a machine or a
 * pod has, the SDK asks by itself, at addresses that it holds itself to.
 */
export class AwsHandler {
  readonly metadata = { handlerProtocol: 'http/1.1' };
  readonly #questions: Questions;

  constructor(questions: Questions) {
    this.#questions = questions;
  }

  async handle(request: AwsRequest, { abortSignal }: { abortSignal?: unknown } = {}) {
    const { protocol, hostname, port, headers } = request;
    const answer = await this.#questions.ask({
      method: methodOf(request),
      url: new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`),
      target: targetOf(request),
      headers: Object.fromEntries(
        Object.entries(headers)
          .map(([name, value]) => [name.toLowerCase(), value] as const)
          .filter(([name]) => !ownHeaders.has(name)),
      ),
      body: bodyOf(request),
      signal: abortSignal instanceof AbortSignal ? abortSignal : undefined,
    });
    const { status: statusCode, body } = answer;
    return { response: { statusCode, headers: { ...answer.headers }, body: Readable.from([body]) } };
  }

  destroy(): void {
    void this.#questions[Symbol.asyncDispose]();
  }

  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): object {
    return {};
  }
}

function methodOf({ method }: AwsRequest): 'GET' | 'POST' {
  if (method === 'GET' || method === 'POST') return method;
  throw new TypeError(`the AWS SDK sends a ${method}, which no API for credentials takes`);
}

function targetOf({ path, query = {} }: AwsRequest): string {
  const parameters = Object.entries(query).flatMap(([name, value]) =>
    [value ?? ''].flat().map((each) => `${encodeURIComponent(name)}=${encodeURIComponent(each)}`),
  );
  return parameters.length === 0 ? path : `${path}?${parameters.join('&')}`;
}

function bodyOf({ body }: AwsRequest): string | undefined {
  if (body === undefined || typeof body === 'string') return body;
  // Not by Buffer.from: the SDK's own kind of bytes complains, on the console, that it is taken for a string.
  if (body instanceof Uint8Array) return new TextDecoder().decode(body);
  throw new TypeError('the AWS SDK sends a body that is no text');
}
