import type { Upstream } from './bench-upstream.ts';
import { Candidate } from './candidates.ts';
import type { Peer } from './peers.ts';

/** Processes of a contestant that one round leaves to the next: in front of the fast upstream, of the limited one, one that is filled, and one that is pushed to. */
type Role = 'fast' | 'limited' | 'filled' | 'hosting';

/** A program that takes part in a run, and its processes. */
export class Contestant implements AsyncDisposable {
  readonly peer: Peer;
  readonly #upstream: Upstream;
  readonly #roles = new Map<Role, Promise<Candidate>>();

  constructor(peer: Peer, upstream: Upstream) {
    this.peer = peer;
    this.#upstream = upstream;
  }

  get name(): string {
    return this.peer.name;
  }

  /** The same each time; `prepare` is what is done with it once. */
  async as(role: Role, prepare?: (server: Candidate) => Promise<void>): Promise<Candidate> {
    const kept = this.#roles.get(role) ?? this.#begin(role, prepare);
    this.#roles.set(role, kept);
    return await kept;
  }

  /** A process of its own, whose memory nothing before has grown. The caller ends it. */
  async another(options: { readonly metrics?: boolean; readonly isHosting?: true } = {}): Promise<Candidate> {
    return await Candidate.start(this.peer, this.#upstream, options);
  }

  /** Memory of the process that all rounds had; undefined: there was none, or it has ended. MiB. */
  async residentMiB(): Promise<number | undefined> {
    const server = await this.#roles.get('fast')?.catch(() => undefined);
    return server === undefined || server.residentMiB === 0 ? undefined : server.residentMiB;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const begun = await Promise.allSettled(this.#roles.values());
    for (const one of begun) if (one.status === 'fulfilled') await one.value[Symbol.asyncDispose]();
  }

  async #begin(
    role: Role,
    prepare: (server: Candidate) => Promise<void> = async () => {},
  ): Promise<Candidate> {
    const { host, limitedHost, tls } = this.#upstream;
    const server = await Candidate.start(
      this.peer,
      { host: role === 'limited' ? limitedHost : host, tls },
      role === 'hosting' ? { isHosting: true } : {},
    );
    try {
      await prepare(server);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }
}
