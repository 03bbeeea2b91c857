import type { Exchange } from '../../http/exchange/exchange.ts';
import { drained, hasBody } from '../../http/exchange/request-body.ts';
import { RegistryError } from '../../oci/error.ts';
import { BrowserAnswer } from './browser-answer.ts';
import type { DockerTokenService } from './docker-token-service.ts';
import type { KeyRing } from './key-ring.ts';
import { TokenError } from './token-error.ts';

/** What is answered there: JSON, or something for a browser. Throws RegistryError, TokenError. */
export type Answer = (exchange: Exchange) => Promise<object> | object;

/** By method and path: `POST /token`. */
export type Endpoint = readonly [at: string, answer: Answer];

export interface TokenEndpointsParts {
  /** Undefined: there is none. */
  readonly docker: DockerTokenService | undefined;
  /** Those of OAuth2. */
  readonly oauth: readonly Endpoint[];
  /** Undefined: nothing is signed by a key. */
  readonly keys: Pick<KeyRing, 'published'> | undefined;
}

/** Keys and metadata may be kept for so long by whoever checks tokens; a key that they do not know they ask for. Seconds. */
const publishedMaxAge = 300;

/** Where tokens are had, and the keys by which they are known. Whoever asks need not be known yet. */
export class TokenEndpoints {
  readonly #answers: ReadonlyMap<string, Answer>;
  readonly #paths: ReadonlySet<string>;

  constructor({ docker, oauth, keys }: TokenEndpointsParts) {
    const rows: Endpoint[] = [...oauth];
    if (docker !== undefined)
      rows.push(['GET /v2/token', docker.get.bind(docker)], ['POST /v2/token', docker.post.bind(docker)]);
    if (keys !== undefined) rows.push([`GET ${keysPath}`, () => keys.published]);
    this.#answers = new Map(rows);
    this.#paths = new Set(rows.map(([at]) => at.slice(at.indexOf(' ') + 1)));
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  /** Of a path that there is. Throws RegistryError: UNAUTHORIZED (401), UNSUPPORTED (400, 405, 408, 413), TOOMANYREQUESTS (429), UNAVAILABLE (503). */
  async answer(exchange: Exchange): Promise<void> {
    const { response, path } = exchange;
    const isPublished = path === keysPath || path.startsWith('/.well-known/');
    response.setHeader('Cache-Control', isPublished ? `public, max-age=${publishedMaxAge}` : 'no-store');
    if (!isPublished) response.setHeader('Pragma', 'no-cache');
    try {
      const answer = await this.#answered(exchange);
      if (answer instanceof BrowserAnswer) answer.send(exchange);
      else exchange.sendJson(200, answer);
    } catch (error) {
      await drained(exchange);
      if (!(error instanceof TokenError)) throw error;
      for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
      exchange.failure = error.message;
      exchange.sendJson(error.status, error);
    }
  }

  async #answered(exchange: Exchange): Promise<object> {
    const { request, path } = exchange;
    const answer = this.#answers.get(`${request.method} ${path}`);
    if (answer === undefined) throw notAllowed(this.#methodsOf(path));
    if (request.method === 'GET' && hasBody(exchange))
      throw new RegistryError('UNSUPPORTED', 'a read takes no body', {
        status: 400,
        headers: { Connection: 'close' },
      });
    return await exchange.ask(async () => await answer(exchange));
  }

  #methodsOf(path: string): readonly string[] {
    return [...this.#answers.keys()]
      .map((at) => at.split(' '))
      .flatMap(([method = '', at]) => (at === path ? [method] : []));
  }
}

const keysPath = '/v2/token/jwks.json';

function notAllowed(methods: readonly string[]): RegistryError {
  return new RegistryError('UNSUPPORTED', 'nothing is done by this method here', {
    headers: { Connection: 'close', Allow: methods.join(', ') },
  });
}
