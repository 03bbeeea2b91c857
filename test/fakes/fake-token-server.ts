import { FakeUpstream } from './fake-upstream.ts';
import { secret } from './secrets.ts';
import { type Fault, json, type LoggedRequest } from './upstream-answers.ts';
import { bearerAuth } from './upstream-faults.ts';

/** A token server on loopback by the distribution project's GET protocol. Faults come before it as before an upstream. */
export class FakeTokenServer implements AsyncDisposable {
  readonly #server: FakeUpstream;
  readonly #granted = new Map<string, string>();
  /** What tokens live, in seconds. */
  expiresIn = 300;

  private constructor(server: FakeUpstream) {
    this.#server = server;
    server.faults.push((request) => this.#grant(request));
  }

  static async start(): Promise<FakeTokenServer> {
    return new FakeTokenServer(await FakeUpstream.start());
  }

  get realm(): string {
    return `${this.#server.origin}/token`;
  }

  get requests(): readonly LoggedRequest[] {
    return this.#server.requests;
  }

  /** To stand before the server's own answer. */
  spoil(fault: Fault): void {
    this.#server.faults.unshift(fault);
  }

  /** Refuses all tokens that were given so far. */
  revoke(): void {
    this.#granted.clear();
  }

  /** For an upstream: lets those pass who have a token from here for the repository. */
  get fault(): Fault {
    return bearerAuth(this.realm, (token, repository) => {
      const scopes = this.#granted.get(token)?.split(' ') ?? [];
      return scopes.some((scope) => scope.startsWith(`repository:${repository}:`));
    });
  }

  /** Nobody listens any more. */
  async close(): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #grant({ query }: LoggedRequest) {
    const token = secret(`token-${this.requests.length}`);
    this.#granted.set(token, new URLSearchParams(query).getAll('scope').join(' '));
    return json({ token, expires_in: this.expiresIn });
  }
}
