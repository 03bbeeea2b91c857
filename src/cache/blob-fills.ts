import { RegistryError } from '../oci/error.ts';
import { type Digest, hostOf, type RegistryHost, type RepositoryName } from '../oci/reference.ts';
import type { BlobInfo, RangeSpec } from '../oci/registry.ts';
import { BlobFill, type FillSettings, type Seat } from './blob-fill.ts';

/** Who shares a transfer: a registry, or a single repository of it, where upstream refused the blob in another's name. */
export type FillScope = RegistryHost | RepositoryName;

/** Where a reader begins. */
interface Place {
  readonly repository: RepositoryName;
  readonly range: RangeSpec | undefined;
}

/**
 * The fills that run, one for each blob of a registry: repositories of one registry share a transfer, registries never do,
 * for one must not vouch for another's bytes.
 */
export class BlobFills implements AsyncDisposable {
  readonly #current = new Map<string, BlobFill>();
  /** With those that nobody can join any more and that others took the place of. */
  readonly #running = new Set<BlobFill>();
  readonly #urgent = new Set<BlobFill>();
  #isStopping = false;

  get(scope: FillScope, digest: Digest): BlobFill | undefined {
    return this.#current.get(`${scope}/${digest}`);
  }

  get running(): number {
    return this.#running.size;
  }

  /** Is a fill of this registry running that a client waits for? */
  isBusy(host: RegistryHost): boolean {
    for (const fill of this.#urgent) if (fill.isRead && hostOf(fill.repository) === host) return true;
    return false;
  }

  /**
   * Starts one and takes the first place in it. Undefined: one runs that can be joined, so that nothing is fetched twice.
   * Throws UNAVAILABLE (503) once the fills were ended.
   */
  start(scope: FillScope, place: Place, expected: BlobInfo, settings: FillSettings): Seat | undefined {
    if (this.#isStopping) throw new RegistryError('UNAVAILABLE', 'the server is stopping', { status: 503 });
    const { repository, range } = place;
    const key = `${scope}/${expected.digest}`;
    if (this.#current.get(key)?.canJoin(range) === true) return undefined;
    const fill = new BlobFill(repository, expected, settings);
    this.#current.set(key, fill);
    this.#running.add(fill);
    void fill.done.finally(() => {
      if (this.#current.get(key) === fill) this.#current.delete(key);
      this.#running.delete(fill);
      this.#urgent.delete(fill);
    });
    return fill.join(repository, range);
  }

  /** Says that a client follows this fill. */
  hurry(fill: BlobFill): void {
    if (!fill.isOver) this.#urgent.add(fill);
  }

  /** Ends one that no client has ever followed and nobody reads. */
  abandon(scope: FillScope, digest: Digest, reason: unknown): void {
    const fill = this.get(scope, digest);
    if (fill !== undefined && !fill.isRead && !this.#urgent.has(fill)) fill.cancel(reason);
  }

  /** Ends all of them; what is not verified is discarded. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    const fills = [...this.#running];
    for (const fill of fills) fill.cancel(new Error('the server is stopping'));
    await Promise.all(fills.map(async (fill) => await fill.done));
  }
}
