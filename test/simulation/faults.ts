import type { RegistryHost, RepositoryName } from '#src/oci/reference.ts';
import type { Random } from './random.ts';

/**
 * What may be wrong with an upstream:
 *
 * - `refused`, `reset`, `garbage`, `silence`: no connection, one that breaks, what is no HTTP, no status line
 * - `slow`: seconds instead of milliseconds
 * - `status`: another status than the right one
 * - `cut`, `stall`, `drip`: a body breaks off, stands still, or hardly gets on
 * - `flip`: one wrong byte
 * - `noRange`, `range416`, `shortRange`: ways to answer a Range
 * - `headRefused`, `headAbsent`, `headMute`, `headEmpty`: HEAD is not allowed; it denies what GET has; it does not say how long the
 *   body is; it says that there is none
 * - `contradiction`: the body of a tag is another manifest than its digest header announces
 * - `falseDigest`: the digest header is wrong, the body right
 */
export type FaultKind =
  | 'refused'
  | 'reset'
  | 'garbage'
  | 'silence'
  | 'slow'
  | 'status'
  | 'cut'
  | 'stall'
  | 'drip'
  | 'flip'
  | 'noRange'
  | 'range416'
  | 'shortRange'
  | 'headRefused'
  | 'headAbsent'
  | 'headMute'
  | 'headEmpty'
  | 'contradiction'
  | 'falseDigest';

/** Something that is wrong for a while. Times in fake milliseconds. */
export interface Fault {
  readonly kind: FaultKind;
  readonly host: RegistryHost;
  /** Undefined: with all that the host has. */
  readonly object?: string | undefined;
  readonly from: number;
  readonly until: number;
  /** How often of those times that it could. */
  readonly chance: number;
  readonly status?: number | undefined;
  /** Seconds, for a 429. */
  readonly retryAfter?: number | undefined;
}

/** What a request is about, for faults: a blob in whatever repository, or all manifests and lists of a repository. */
export const blobObject = (host: RegistryHost, digest: string): string => `${host} ${digest}`;
export const manifestObject = (repository: RepositoryName): string => `${repository} manifests`;

export interface AskedObject {
  readonly host: RegistryHost;
  readonly object: string;
}

/** The faults of a scenario. */
export class Faults {
  readonly #random: Random;
  readonly #planned: readonly Fault[];
  /** From here on upstream is well. */
  #endAt = Number.POSITIVE_INFINITY;
  #outages = 0;

  constructor(planned: readonly Fault[], random: Random) {
    this.#planned = planned;
    this.#random = random;
  }

  /** Nobody can be reached, whatever is planned, until it is disposed of. */
  beginOutage(): Disposable {
    this.#outages += 1;
    const outage = new DisposableStack();
    outage.defer(() => {
      this.#outages -= 1;
    });
    return outage;
  }

  endAt(time: number): void {
    this.#endAt = time;
  }

  /** What is wrong with this request, if something is. */
  of({ host, object }: AskedObject, time: number): Fault | undefined {
    if (this.#outages > 0) return { kind: 'refused', host, from: time, until: time, chance: 1 };
    if (time >= this.#endAt) return undefined;
    return this.#planned.find(
      (fault) =>
        fault.host === host &&
        (fault.object === undefined || fault.object === object) &&
        fault.from <= time &&
        time < fault.until &&
        this.#random.chance(fault.chance),
    );
  }
}
