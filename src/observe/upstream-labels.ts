import { hostedHost, type RegistryHost, shownHost } from '../oci/reference.ts';

/** So many registries that nobody configured get a label of their own. */
const maxUnconfigured = 20;

/**
 * The values of the label `upstream`: `hosted` for what lives here, the configured registries, the first others that have answered, `other` for the
 * rest, `none` where no registry was named. A name alone earns no label: clients can make up any number of them.
 */
export class UpstreamLabels {
  readonly #known: Set<RegistryHost>;
  #left = maxUnconfigured;

  constructor(configured: Iterable<RegistryHost>) {
    this.#known = new Set(configured);
  }

  /** `answered`: did this registry, or the cache in its place, just give something? */
  of(host: RegistryHost | undefined, answered: boolean): string {
    if (host === undefined) return 'none';
    if (host === hostedHost) return shownHost(host);
    if (this.#known.has(host)) return host;
    if (!answered || this.#left === 0) return 'other';
    this.#left -= 1;
    this.#known.add(host);
    return host;
  }
}
