import { Slots } from '../base/slots.ts';
import { RegistryError } from '../oci/error.ts';
import { type Digest, hostOf, type ImageName, type RegistryHost } from '../oci/reference.ts';
import { ImageLoad, type ImageLoadParts, type Wanted } from './image-load.ts';
import { reasonOf } from './load-error.ts';
import type { LoadProgress } from './load-progress.ts';
import { defaultParallel } from './parallel.ts';
import type { Tally } from './tally.ts';

/** Of each image that is loaded at a time, so many on average. */
const blobsOfEach = 2;
/** What failed for a while is tried again, behind a pause. Milliseconds. */
const maxTries = 3;
const pauseMs = 2000;
const maxPauseMs = 60_000;

/** An image that is to be loaded, as it was named. */
export interface ImageToLoad extends ImageName {
  readonly name: string;
}

/** What became of it. */
export interface LoadedImage {
  readonly name: string;
  /** Of its root. */
  readonly digest?: Digest | undefined;
  /** Why it is not loaded; undefined: it is. */
  readonly problem?: string | undefined;
  /** What is here under its name from before, and stays: upstream could not say whether it is still the same. It is not loaded then. */
  readonly kept?: Digest | undefined;
  /** It is what lies there that is wrong, and will be as long as it lies there as it is. */
  readonly isRefused?: boolean | undefined;
  /** What it names and was not brought with it: where it has a problem, nothing else is one; else it is loaded without. */
  readonly lacks?: readonly Digest[] | undefined;
  /** Of what is no image: those that are not whole because of the problem, and are not told of by themselves. */
  readonly costs?: readonly string[] | undefined;
  readonly tally: Tally;
}

export interface ImageLoadsParts extends Omit<ImageLoadParts, 'slots'> {
  readonly progress?: LoadProgress | undefined;
  /** Images at a time. Default: {@link defaultParallel}. */
  readonly parallel?: number | undefined;
}

/** Loads images, a few at a time, each whatever becomes of the others; tells of each as it ends. */
export class ImageLoads {
  readonly #parts: ImageLoadsParts;
  readonly #wanted: Wanted;
  readonly #signal: AbortSignal;
  readonly #parallel: number;
  readonly #slots: Slots;
  /**
   * How many images of a registry in a row have had their last try. As many as are loaded at a time say of the registry what one says only of
   * itself: the others of it have one try each.
   */
  readonly #failed = new Map<RegistryHost, number>();

  constructor(parts: ImageLoadsParts, wanted: Wanted, signal: AbortSignal) {
    this.#parts = parts;
    this.#wanted = wanted;
    this.#signal = signal;
    this.#parallel = parts.parallel ?? defaultParallel;
    this.#slots = new Slots(blobsOfEach * this.#parallel);
  }

  async run(images: readonly ImageToLoad[], ended: (image: LoadedImage) => void): Promise<void> {
    const waiting = images.values();
    const work = async (): Promise<void> => {
      for (const image of waiting) ended(await this.#load(image));
    };
    await Promise.all(Array.from({ length: this.#parallel }, work));
  }

  async #load(image: ImageToLoad): Promise<LoadedImage> {
    const { name, repository } = image;
    const load = new ImageLoad(image, this.#wanted, { ...this.#parts, slots: this.#slots }, this.#signal);
    const { tally } = load;
    using _running = this.#parts.progress?.begin(name, tally);
    for (let tries = 1; ; tries += 1) {
      try {
        const digest = await load.run();
        this.#failed.delete(hostOf(repository));
        return { name, digest, tally };
      } catch (error) {
        if (!(await this.#mayTryAgain(hostOf(repository), error, tries)))
          return { name, problem: reasonOf(error), kept: load.kept, tally };
      }
    }
  }

  async #mayTryAgain(host: RegistryHost, error: unknown, tries: number): Promise<boolean> {
    const pause = pauseAfter(error);
    if (pause === undefined || this.#signal.aborted) return false;
    const failed = this.#failed.get(host) ?? 0;
    if (failed >= this.#parallel) return false;
    if (tries >= maxTries) {
      this.#failed.set(host, failed + 1);
      return false;
    }
    await this.#parts.clock.sleep(pause, this.#signal).catch(() => undefined);
    return !this.#signal.aborted;
  }
}

/** Milliseconds; undefined: it will fail again. */
function pauseAfter(error: unknown): number | undefined {
  if (!(error instanceof RegistryError) || (error.status < 500 && error.status !== 429)) return undefined;
  const seconds = Number(error.headers['Retry-After']);
  return seconds > 0 ? Math.min(seconds * 1000, maxPauseMs) : pauseMs;
}
