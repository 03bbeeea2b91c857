import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import type { Log } from '../../base/log.ts';
import type { Digest, RegistryHost } from '../../oci/reference.ts';

/** So long a blob, or a registry, is asked for no parts. Milliseconds. */
const doubtedMs = 3_600_000;
/** So many blobs of a registry in a row that were right only whole, and it is the registry. */
const maxBlobsOfHost = 3;
/** So many are remembered. */
const maxBlobs = 10_000;
const maxHosts = 1000;

/** What is known of the parts (206) that upstream gives of one blob. */
export interface PartDoubt {
  /** Is the whole asked for instead? */
  readonly isDoubted: boolean;
  /** Bytes that came by parts, or those beside them, were not the digest's. `isLeft`: the next ones come from another place. */
  wrong(isLeft: boolean): void;
  /** All were the digest's. */
  right(byParts: boolean): void;
}

/**
 * Upstreams that lie in parts and have the whole right: a sick cache on the way, one broken server of several. Nobody can tell which of the
 * bytes were wrong, so a blob that was not its digest's, and some of which came by parts, is asked for whole the next time; a registry with
 * three such blobs in a row, which were right then, is asked for no parts at all for a while.
 */
export class DoubtedParts {
  /** `true`: it may show that its registry lies. */
  readonly #blobs: Expiring<boolean>;
  /** How many blobs in a row were right only whole. */
  readonly #hosts: Expiring<number>;
  readonly #log: Log;

  constructor(clock: Clock, log: Log) {
    this.#log = log;
    this.#blobs = new Expiring(clock, maxBlobs);
    this.#hosts = new Expiring(clock, maxHosts);
  }

  of(host: RegistryHost, digest: Digest): PartDoubt {
    const [blobs, hosts, key] = [this.#blobs, this.#hosts, `${host} ${digest}`];
    return {
      get isDoubted() {
        return blobs.get(key) !== undefined || (hosts.get(host) ?? 0) >= maxBlobsOfHost;
      },
      wrong: (isLeft) => blobs.set(key, !isLeft, doubtedMs),
      right: (byParts) => this.#right(host, key, byParts),
    };
  }

  #right(host: RegistryHost, key: string, byParts: boolean): void {
    if (byParts) this.#rightByParts(host);
    else if (this.#blobs.get(key) === true) this.#rightOnlyWhole(host, key);
  }

  #rightByParts(host: RegistryHost): void {
    if (this.#hosts.get(host) !== undefined) this.#hosts.set(host, 0, doubtedMs);
  }

  #rightOnlyWhole(host: RegistryHost, key: string): void {
    this.#blobs.set(key, false, doubtedMs);
    const count = (this.#hosts.get(host) ?? 0) + 1;
    this.#hosts.set(host, count, doubtedMs);
    if (count === maxBlobsOfHost)
      this.#log.warn(
        { upstream: host },
        'upstream gives wrong parts of blobs that it has right: no parts are asked for',
      );
  }
}
