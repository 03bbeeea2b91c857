import { FakeUpstream } from './fake-upstream.ts';
import { basicHeader } from './passwords.ts';
import { secret } from './secrets.ts';
import { type Answer, type Fault, json, type LoggedRequest } from './upstream-answers.ts';

/** `basic`: a password with each request; `bearer`: one for a token, at a path of its own. */
export type Guard = 'basic' | 'bearer';

interface User {
  password: string;
  /** The repositories that he may see, by their paths. */
  readonly may: Set<string>;
}

/** A registry whose users may see some of its repositories each, and that knows who has asked for what. */
export class GuardedUpstream implements AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly users = new Map<string, User>();
  /** What it says to a user, right by his password, of what he may not see. */
  refusal = 403;
  readonly #guard: Guard;
  readonly #tokens = new Map<string, { readonly user: string; readonly scope: string }>();
  readonly #by: { user: string; request: LoggedRequest }[] = [];

  private constructor(upstream: FakeUpstream, guard: Guard) {
    this.upstream = upstream;
    this.#guard = guard;
    upstream.faults.push(this.#guarded);
  }

  static async start(guard: Guard = 'basic'): Promise<GuardedUpstream> {
    return new GuardedUpstream(await FakeUpstream.start(), guard);
  }

  /** Adds a user, and gives the header by which he is known. */
  add(user: string, ...may: string[]): string {
    const password = secret(`of-${user}`);
    this.users.set(user, { password, may: new Set(may) });
    return basicHeader(user, password);
  }

  userOf(name: string): User {
    const user = this.users.get(name);
    if (user === undefined) throw new Error(`there is no ${name}`);
    return user;
  }

  /** What was asked for since the last call, by whom: `alice HEAD /v2/…`, `- GET /v2/…`. */
  take(): string[] {
    return this.#by.splice(0).map(({ user, request }) => `${user} ${request.method} ${request.path}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.upstream[Symbol.asyncDispose]();
  }

  readonly #guarded: Fault = async (request, next) => {
    const user = this.#userIn(request.headers.authorization);
    this.#by.push({ user: user?.name ?? (request.headers.authorization === undefined ? '-' : '?'), request });
    if (request.path === '/token') return this.#token(user?.name, request);
    if (user === undefined) return this.#challenge(request);
    const repository = repositoryIn(request);
    if (repository === undefined || user.may(repository)) return await next();
    return json({ errors: [{ code: 'DENIED', message: 'not yours' }] }, this.refusal);
  };

  #userIn(header = ''): { readonly name: string; readonly may: (repository: string) => boolean } | undefined {
    const token = this.#tokens.get(header.replace(/^Bearer /, ''));
    if (token !== undefined)
      return { name: token.user, may: (repository) => token.scope.includes(`repository:${repository}:`) };
    for (const [name, { password, may }] of this.users)
      if (header === basicHeader(name, password)) return { name, may: (repository) => may.has(repository) };
    return undefined;
  }

  #challenge(request: LoggedRequest): Answer {
    const realm = `Bearer realm="${this.upstream.origin}/token",service="fake",scope="repository:${repositoryIn(request) ?? ''}:pull"`;
    const challenge = this.#guard === 'basic' ? 'Basic realm="guarded"' : realm;
    const errors = [{ code: 'UNAUTHORIZED', message: 'authentication required' }];
    return json({ errors }, 401, { 'WWW-Authenticate': challenge });
  }

  #token(user: string | undefined, { query }: LoggedRequest): Answer {
    if (user === undefined) return json({ details: 'wrong' }, 401);
    const asked = new URLSearchParams(query).getAll('scope');
    const granted = asked.filter((scope) => this.userOf(user).may.has(scope.split(':')[1] ?? ''));
    const token = secret(`token-${this.#tokens.size}`);
    this.#tokens.set(token, { user, scope: granted.join(' ') });
    return json({ token, expires_in: 3600 });
  }
}

function repositoryIn({ path }: LoggedRequest): string | undefined {
  return /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(path)?.[1];
}
