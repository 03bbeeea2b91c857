import { RegistryError } from '../oci/error.ts';
import type { Digest, RegistryHost, RepositoryName } from '../oci/reference.ts';
import type { BlobInfo } from '../oci/registry.ts';
import { BlobFill, type FillSettings } from './blob-fill.ts';

/**
 * The fills that run, one for each blob of a registry: repositories of one registry share a transfer, registries never do,
 * for one must not vouch for another's bytes.
 */
export class BlobFills implements AsyncDisposable {
  readonly #running = new Map<string, BlobFill>();
  readonly #urgent = new Set<BlobFill>();
  #isStopping = false;

  get(host: RegistryHost, digest: Digest): BlobFill | undefined {
    return this.#running.get(`${host}/${digest}`);
  }

  get running(): number {
    return this.#running.size;
  }

  /** Is a fill running that a client waits for? */
  get isBusy(): boolean {
    return this.#urgent.size > 0;
  }

  /** Throws UNAVAILABLE (503) once the fills were ended. */
  start(
    host: RegistryHost,
    repository: RepositoryName,
    expected: BlobInfo,
    settings: FillSettings,
  ): BlobFill {
    if (this.#isStopping) throw new RegistryError('UNAVAILABLE', 'the server is stopping', { status: 503 });
    const key = `${host}/${expected.digest}`;
    const fill = new BlobFill(repository, expected, settings);
    this.#running.set(key, fill);
    void fill.done.finally(() => {
      if (this.#running.get(key) === fill) this.#running.delete(key);
      this.#urgent.delete(fill);
    });
    return fill;
  }

  /** Says that a client follows this fill. */
  hurry(fill: BlobFill): void {
    if (!fill.isOver) this.#urgent.add(fill);
  }

  /** Ends all of them; what is not verified is discarded. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    const fills = [...this.#running.values()];
    for (const fill of fills) fill.cancel(new Error('the server is stopping'));
    await Promise.all(fills.map(async (fill) => await fill.done));
  }
}
