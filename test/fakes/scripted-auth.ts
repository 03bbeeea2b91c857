import {
  anonymous,
  type Credential,
  type CredentialProvider,
  staticCredentials,
} from '#src/credentials/credentials.ts';
import type { TransportRequest } from '#src/net/transport.ts';
import { Scope } from '#src/oci/scope.ts';
import { AuthorizingTransport } from '#src/upstream/auth/authorizing-transport.ts';
import { TokenClient } from '#src/upstream/auth/token-client.ts';
import { FakeClock } from './fake-clock.ts';
import { type AnswerScript, type ScriptedAnswer, ScriptedTransport } from './scripted-transport.ts';
import { assertSecretless, mark, secret } from './secrets.ts';

const registryOrigin = 'https://registry.example.com';
export const tokenOrigin = 'https://auth.example.com';

export interface AuthOptions {
  readonly registry: AnswerScript;
  readonly tokens?: AnswerScript;
  readonly credential?: Credential;
  readonly trustedRealms?: readonly string[];
  /** Credentials by repository. */
  readonly of?: NonNullable<CredentialProvider['of']>;
  /** Where requests go. Default: {@link registryOrigin}. */
  readonly server?: URL;
  /** Where the credential belongs. Default: where requests go. */
  readonly origin?: URL;
}

/** The authorising transport between a scripted registry and a scripted token server. */
export class ScriptedAuth {
  readonly clock = new FakeClock();
  readonly registry: ScriptedTransport;
  readonly tokens: ScriptedTransport;
  readonly transport: AuthorizingTransport;
  readonly #origin: URL;
  credential: Credential;
  /** What there is instead of a refused credential. */
  renewed: Credential | undefined;
  /** What the log is told of the credential, as an error. */
  readonly told: string[] = [];
  /** The credentials that were said to be refused. */
  readonly refused: Credential[] = [];

  constructor(options: AuthOptions) {
    const { registry, tokens = grants(), credential = anonymous, trustedRealms = [] } = options;
    this.registry = new ScriptedTransport((request, count) => registry(unmarked(request), count));
    this.tokens = new ScriptedTransport(tokens);
    this.credential = credential;
    const { clock } = this;
    this.#origin = options.server ?? new URL(registryOrigin);
    this.transport = new AuthorizingTransport(this.registry, {
      origin: options.origin ?? this.#origin,
      credentials: {
        name: 'scripted',
        ...(options.of && { of: options.of }),
        get: async (options) => await staticCredentials(this.credential).get(options),
        renew: async (refused) => {
          this.refused.push(refused);
          this.credential = this.renewed ?? this.credential;
          return this.credential !== refused;
        },
      },
      trustedRealms,
      clock,
      tokenClient: new TokenClient({ transport: this.tokens, clock }),
      onOddity: (message, { who, by }, level) =>
        void this.told.push(`${level} ${message} ${[who, by].filter(Boolean).join(' ')}`),
    });
  }

  /** Gets a manifest; returns the status. */
  async get(path = 'a/b', options: Partial<TransportRequest> = {}): Promise<number> {
    const url = new URL(`/v2/${path}/manifests/v1`, this.#origin);
    try {
      await using response = await this.transport.send({
        method: 'GET',
        url,
        scope: Scope.pull(path),
        ...options,
      });
      return response.status;
    } catch (error) {
      assertSecretless(error, 'an error of the transport');
      throw error;
    }
  }

  /** The same where a new token is refused, which is sent again a second later. */
  async getSlowly(path?: string, options?: Partial<TransportRequest>): Promise<number> {
    const getting = this.get(path, options);
    getting.catch(() => undefined);
    await this.clock.untilSleeping();
    await this.clock.advance(1000);
    return await getting;
  }

  /** What the registry was sent, in turn: `-` for no Authorization. */
  get carried(): string[] {
    return this.registry.requests.map((request) => unmarked(request).headers?.['authorization'] ?? '-');
  }

  /** What the token server was asked, in turn: the query, or the body of a POST. */
  get asked(): string[] {
    return this.tokens.requests.map(({ method, url, body }) =>
      decodeURIComponent(`${method} ${body ?? url.search}`).replaceAll(mark, ''),
    );
  }
}

/** Tokens without the mark that they bear as secrets, for tests to speak of. */
function unmarked(request: TransportRequest): TransportRequest {
  const authorization = request.headers?.['authorization']?.replace(mark, '');
  return authorization === undefined
    ? request
    : { ...request, headers: { ...request.headers, authorization } };
}

/** 401 with this challenge. */
export function challenged(challenge: string): ScriptedAnswer {
  return { status: 401, headers: { 'www-authenticate': challenge } };
}

export function bearerChallenge(scope?: string, more = ''): string {
  const scoped = scope === undefined ? '' : `,scope="${scope}"`;
  return `Bearer realm="${tokenOrigin}/token",service="registry.example.com"${scoped}${more}`;
}

/** The repository's own pull scope, as most registries ask for it. */
export function pullOf({ url }: TransportRequest): string {
  return `repository:${url.pathname.replace(/^\/v2\/(.*)\/manifests\/.*$/, '$1')}:pull`;
}

/** A registry that takes the tokens that `accepts` names and asks for one otherwise. */
export function wantsBearer(accepts: (token: string) => boolean = () => true): AnswerScript {
  return (request) => {
    const token = /^Bearer (.*)$/.exec(request.headers?.['authorization'] ?? '')?.[1];
    return token !== undefined && accepts(token)
      ? { status: 200 }
      : challenged(bearerChallenge(pullOf(request)));
  };
}

/** Tokens `t1`, `t2`, … for whoever asks. */
export function grants(more: Readonly<Record<string, unknown>> = { expires_in: 300 }): AnswerScript {
  return (_, count) => json({ token: `t${count}`, ...more });
}

/** Tokens get the mark of secrets. */
export function json(value: unknown, status = 200): ScriptedAnswer {
  const marked = (key: string, text: unknown) =>
    key.endsWith('token') && typeof text === 'string' ? secret(text) : text;
  return { status, body: JSON.stringify(value, marked) };
}
