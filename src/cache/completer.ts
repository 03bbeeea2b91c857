import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { RegistryError } from '../oci/error.ts';
import { hostOf, type RegistryHost, type RepositoryName } from '../oci/reference.ts';
import type { Descriptor } from '../oci/registry.ts';
import type { MissingBlob } from '../storage/metadata-store.ts';
import { isAbsent } from './negative-cache.ts';

/** After a manifest was served its client asks for the blobs that it lacks: it goes first. */
const headStartMs = 1000;
const retryMs = 30_000;
const limitedMs = 60_000;
const maxTries = 3;
const maxQueue = 100_000;
/** Whoever asks for names may make up hosts that limit us. */
const maxHosts = 1000;

interface Job extends MissingBlob {
  readonly notBefore: number;
  readonly tries: number;
}

export interface CompleterSettings {
  /** Settles when the blob is in the store for this repository; rejects with upstream's error, or with the signal's reason. */
  readonly fetch: (repository: RepositoryName, blob: Descriptor, signal: AbortSignal) => Promise<void>;
  /** Does a client wait for a fill? */
  readonly isBusy: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Fetches the blobs of served images that no client asked for, because the node had them already: the next node may
 * have none, and upstream may be gone then. One at a time, after all clients' fills, not while the registry limits us.
 */
export class Completer implements AsyncDisposable {
  readonly #settings: CompleterSettings;
  readonly #seen = new LRUCache<string, true>({ max: 50_000 });
  readonly #limitedUntil = new LRUCache<RegistryHost, number>({ max: maxHosts });
  readonly #stop = new AbortController();
  #queue: Job[] = [];
  #running: Promise<void> | undefined;

  constructor(settings: CompleterSettings) {
    this.#settings = settings;
  }

  /** False: this image was handed in already, or there is no room. For the hot path. */
  wants(image: string): boolean {
    return this.#room > 0 && this.#seen.get(image) !== true;
  }

  /** `image` identifies the image, so that each is looked at once. One that there is no room for is handed in again when it is served again. */
  add(image: string, repository: RepositoryName, blobs: readonly Descriptor[]): void {
    if (blobs.length > this.#room) return;
    this.#seen.set(image, true);
    this.resume(blobs.map((blob) => ({ repository, blob })));
  }

  /** Takes up what an earlier process left, as far as there is room. */
  resume(missing: readonly MissingBlob[]): void {
    const notBefore = this.#settings.clock.monotonic() + headStartMs;
    for (const job of missing.slice(0, this.#room)) this.#queue.push({ ...job, notBefore, tries: 1 });
    if (this.#queue.length > 0) this.#running ??= this.#run();
  }

  /** For so many more; what is tried again takes its place without asking. */
  get #room(): number {
    return Math.max(0, maxQueue - this.#queue.length);
  }

  /** Told of each failure of upstream: one that refuses us for its limit is left alone for as long as it says, or a minute. */
  noteFailure(host: RegistryHost, error: unknown): void {
    if (!(error instanceof RegistryError) || error.status !== 429) return;
    this.#limitedUntil.set(host, this.#settings.clock.monotonic() + (retryAfterOf(error) ?? limitedMs));
  }

  async #run(): Promise<void> {
    const { clock, isBusy } = this.#settings;
    while (this.#queue.length > 0 && !this.#stop.signal.aborted) {
      const now = clock.monotonic();
      const at = isBusy() ? -1 : this.#queue.findIndex((job) => this.#dueAt(job) <= now);
      const job = at === -1 ? undefined : this.#queue.splice(at, 1)[0];
      if (job === undefined) await clock.sleep(250, this.#stop.signal).catch(() => {});
      else await this.#attempt(job);
    }
    this.#running = undefined;
  }

  #dueAt({ repository, notBefore }: Job): number {
    return Math.max(notBefore, this.#limitedUntil.get(hostOf(repository)) ?? 0);
  }

  async #attempt(job: Job): Promise<void> {
    const { repository, blob } = job;
    try {
      await this.#settings.fetch(repository, blob, this.#stop.signal);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.noteFailure(hostOf(repository), error);
      const again = !isAbsent(error) && job.tries < maxTries;
      this.#settings.log.info(
        { err: error, repository, digest: blob.digest, again },
        'completing an image: blob not fetched',
      );
      if (again)
        this.#queue.push({
          ...job,
          tries: job.tries + 1,
          notBefore: this.#settings.clock.monotonic() + retryMs,
        });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#queue = [];
    await this.#running;
  }
}

/** Milliseconds, if the refusal says them. */
function retryAfterOf(error: RegistryError): number | undefined {
  const seconds = Number(error.headers['Retry-After']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}
