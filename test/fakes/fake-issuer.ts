import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type JWTPayload, SignJWT } from 'jose';

interface IssuerKey {
  readonly kid: string;
  readonly alg: 'ES256' | 'RS256';
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** An OpenID provider, as far as its keys and tokens go. */
export class FakeIssuer implements AsyncDisposable {
  readonly #server: Server;
  /** What it is asked, in order. */
  readonly asked: string[] = [];
  keys: IssuerKey[] = [newKey('one')];
  /** Answers in its place; undefined: it answers. */
  instead: ((response: ServerResponse) => void) | undefined;
  /** Where its configuration says that its keys are; undefined: here. */
  keysAt: string | undefined;
  /** Another than its own, in its configuration. */
  claims: string | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeIssuer> {
    const server = createServer((request, response) => issuer.#answer(request.url ?? '', response));
    const issuer = new FakeIssuer(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get jwksUrl(): string {
    return `${this.url}/keys`;
  }

  get jwks(): object {
    return {
      keys: this.keys.map(({ kid, alg, publicKey }) => ({
        ...publicKey.export({ format: 'jwk' }),
        kid,
        alg,
      })),
    };
  }

  /** Signed by its youngest key, good for a minute from `now` on (milliseconds), for the audience `cache`. */
  async token(
    claims: JWTPayload,
    now = Date.now(),
    key = this.keys.at(-1),
    header: { readonly typ?: string } = {},
  ): Promise<string> {
    if (key === undefined) throw new Error('the issuer has a key');
    const seconds = Math.floor(now / 1000);
    return await new SignJWT({ iss: this.url, aud: 'cache', iat: seconds, exp: seconds + 60, ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
      .sign(key.privateKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #answer(path: string, response: ServerResponse): void {
    this.asked.push(path);
    if (this.instead !== undefined) {
      this.instead(response);
      return;
    }
    const issuer = this.claims ?? this.url;
    const [type, body] =
      path === '/keys'
        ? ['application/jwk-set+json', this.jwks]
        : [
            'application/json',
            { issuer, jwks_uri: this.keysAt ?? this.jwksUrl, authorization_endpoint: `${this.url}/auth` },
          ];
    // As strict as Kubernetes.
    if (response.req.headers.accept?.includes(type) === true)
      response.setHeader('content-type', type).end(JSON.stringify(body));
    else response.writeHead(406).end();
  }
}

export function newKey(kid: string, alg: IssuerKey['alg'] = 'ES256'): IssuerKey {
  const pair =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { kid, alg, ...pair };
}
