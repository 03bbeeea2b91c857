import type { Clock } from '../base/clock.ts';
import type { Digest, RegistryHost } from '../oci/reference.ts';
import type { ImageGraph } from '../storage/image-graph.ts';

interface Settled {
  readonly host: RegistryHost | undefined;
  readonly bytes: number;
  /** By {@link Clock.monotonic}. */
  readonly at: number;
}

/** So many are looked for at a time, those that were looked for longest ago: of an archive there may be thousands. */
const lookedFor = 500;
/** What the index does not know to be here then it will not: whoever put it has given up. Milliseconds. */
const longestMs = 3_600_000;

/** Content that is stored, and that the index does not count yet: its writer waits for somebody's lock, or an import for the rest of its image. */
export class SettledContent {
  readonly #graph: Pick<ImageGraph, 'counted'>;
  readonly #clock: Clock;
  readonly #all = new Map<Digest, Settled>();

  constructor(graph: Pick<ImageGraph, 'counted'>, clock: Clock) {
    this.#graph = graph;
    this.#clock = clock;
  }

  add(digest: Digest, { host, bytes }: Pick<Settled, 'host' | 'bytes'>): void {
    this.#all.set(digest, { host, bytes, at: this.#clock.monotonic() });
  }

  /** Bytes, of a registry; undefined: of all. */
  of(host: RegistryHost | undefined): number {
    let sum = 0;
    for (const each of this.#all.values()) if (host === undefined || each.host === host) sum += each.bytes;
    return sum;
  }

  /** Some of what the index counts by now, for {@link forget} once its totals were read after this. */
  async known(): Promise<ReadonlyMap<Digest, Settled>> {
    const known = new Map<Digest, Settled>();
    const some = [...this.#all.entries().take(lookedFor)];
    if (some.length === 0) return known;
    const counted = await this.#graph.counted(some.map(([digest]) => digest));
    for (const [digest, settled] of some) {
      if (counted.get(digest) ?? this.#isTooOld(settled)) known.set(digest, settled);
      else this.#lookAgain(digest, settled);
    }
    return known;
  }

  /** What was put again since stays. */
  forget(known: ReadonlyMap<Digest, Settled>): void {
    for (const [digest, settled] of known) if (this.#all.get(digest) === settled) this.#all.delete(digest);
  }

  #isTooOld({ at }: Settled): boolean {
    return this.#clock.monotonic() - at > longestMs;
  }

  /** Behind the others. */
  #lookAgain(digest: Digest, settled: Settled): void {
    if (this.#all.get(digest) !== settled) return;
    this.#all.delete(digest);
    this.#all.set(digest, settled);
  }
}
