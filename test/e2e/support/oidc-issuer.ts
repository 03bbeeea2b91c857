import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import Provider, { type Configuration, type JWK } from 'oidc-provider';
import { freePort } from './free-port.ts';

/** A program that may have tokens. */
export interface Program {
  readonly id: string;
  readonly secret: string;
  /** Of the claim `groups`. */
  readonly groups: readonly string[];
}

/** What a token may be asked for; each is another audience. */
const resources: Readonly<Record<string, string>> = {
  'https://cache.test/': 'cache',
  'https://another.test/': 'another',
};

export type Resource = 'https://cache.test/' | 'https://another.test/';

/** Longer than any test takes, whatever its clock says. Seconds. */
const tokenLife = 12 * 3600;

/** `oidc-provider`, an OpenID provider that others have made, on loopback: as it starts again with other keys it has the same address. */
export class OidcIssuer implements AsyncDisposable {
  /** Paths that were asked for, in order. */
  readonly asked: string[] = [];
  readonly #port: number;
  readonly #programs: readonly Program[];
  #server: Server | undefined;

  private constructor(port: number, programs: readonly Program[]) {
    this.#port = port;
    this.#programs = programs;
  }

  static async start(programs: readonly Program[], keys: readonly JWK[]): Promise<OidcIssuer> {
    const issuer = new OidcIssuer(await freePort(), programs);
    await issuer.startAgain(keys);
    return issuer;
  }

  /** `iss`. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Signs with the first of the keys, publishes all. */
  async startAgain(keys: readonly JWK[]): Promise<void> {
    await this.stop();
    const answer = new Provider(this.url, configuration(this.#programs, keys)).callback();
    const server = createServer((request, response) => {
      this.asked.push(request.url ?? '');
      void answer(request, response);
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
  }

  /** From now on connections are refused. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  /** By `client_credentials`; without a resource it is one that the issuer alone can read. */
  async token({ id, secret }: Program, resource?: Resource): Promise<string> {
    const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
    const form = { grant_type: 'client_credentials', scope: 'pull push', ...(resource && { resource }) };
    const answer = await fetch(`${this.url}/token`, {
      method: 'POST',
      headers: { authorization },
      body: new URLSearchParams(form),
    });
    const { access_token: token } = (await answer.json()) as { access_token?: string };
    if (token === undefined) throw new Error(`the issuer answered ${answer.status} and no token`);
    return token;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A private key. */
export function newIssuerKey(kid: string): JWK {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...(privateKey.export({ format: 'jwk' }) as JWK), kid, alg: 'RS256', use: 'sig' };
}

function configuration(programs: readonly Program[], keys: readonly JWK[]): Configuration {
  return {
    jwks: { keys: [...keys] },
    scopes: ['pull', 'push'],
    clients: programs.map(({ id, secret }) => ({
      ...{ client_id: id, client_secret: secret, redirect_uris: [], response_types: [] },
      grant_types: ['client_credentials'],
    })),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          ...{ scope: 'pull push', audience: resources[resource] ?? 'nobody' },
          ...{ accessTokenFormat: 'jwt', accessTokenTTL: tokenLife, jwt: { sign: { alg: 'RS256' } } },
        }),
      },
    },
    ttl: { ClientCredentials: tokenLife },
    extraTokenClaims: (_, token) => ({
      groups: programs.find(({ id }) => id === token.clientId)?.groups ?? [],
    }),
  };
}
