import { abortable } from './abortable.ts';
import type { Clock } from './clock.ts';
import { fileVersions } from './file-versions.ts';
import { TimeLimit } from './time-limit.ts';

export interface FollowedSettings<Made> {
  readonly files: readonly string[];
  /** Throws when the files cannot be used. One file after the other: each may hold a thread. */
  readonly make: () => Promise<Made>;
  /** Told why new files cannot be used, where older ones can. */
  readonly onBroken: (error: unknown) => void;
  readonly clock: Clock;
}

/** New files are waited for so long, where there are older ones. Milliseconds. */
const patienceMs = 2000;

/**
 * What is made of files, and made again when they have changed. What is broken changes nothing, once there was something right, is told
 * once, and is tried again: it may not be the files' fault. Neither does a file system that does not answer: the look that hangs in it goes on,
 * there is no other meanwhile, and what it finds in the end counts.
 */
export class FollowedFiles<Made> {
  readonly #settings: FollowedSettings<Made>;
  #made: Made | undefined;
  /** Of the files that it was made of. */
  #version: string | undefined;
  /** Of files that were read last and could not be used, with the reason. */
  #failure: string | undefined;
  #look: Promise<Made> | undefined;
  /** Has it not answered in time? Then nobody waits for it any more. */
  #isHanging = false;

  constructor(settings: FollowedSettings<Made>) {
    this.#settings = settings;
  }

  /** Of the files as they were when they could last be used; undefined: never yet. */
  get made(): Made | undefined {
    return this.#made;
  }

  /**
   * One at a time, for all who ask meanwhile. `anyway`: also where the files look as before, and what is broken is told again. Where nothing was
   * right yet it throws, and takes as long as the files take.
   */
  async check(anyway = false): Promise<Made> {
    const before = this.#made;
    this.#look ??= this.#looked(anyway).finally(() => {
      this.#look = undefined;
      this.#isHanging = false;
    });
    if (before === undefined) return await this.#look;
    try {
      if (this.#isHanging) throw this.#hang();
      return await this.#inTime(this.#look);
    } catch (error) {
      this.#tell(error, String(error), anyway);
      return before;
    }
  }

  async #inTime(look: Promise<Made>): Promise<Made> {
    const { clock } = this.#settings;
    const reason = (): Error => {
      this.#isHanging = true;
      return this.#hang();
    };
    using time = new TimeLimit({ clock, milliseconds: patienceMs, reason, signal: undefined });
    return await abortable(look, time.signal);
  }

  #hang(): Error {
    return new Error(`the file system does not answer for ${this.#settings.files.join(', ')}`);
  }

  /** The version is taken before the files are read: what changes meanwhile is seen the next time. Throws where nothing was right yet. */
  async #looked(anyway: boolean): Promise<Made> {
    const { files, make } = this.#settings;
    const before = this.#made;
    const version = await fileVersions(files);
    if (before !== undefined && version === this.#version && !anyway) {
      this.#failure = undefined;
      return before;
    }
    try {
      this.#made = await make();
      this.#version = version;
      this.#failure = undefined;
      return this.#made;
    } catch (error) {
      if (before === undefined) throw error;
      this.#tell(error, `${version}: ${error}`, anyway);
      return before;
    }
  }

  #tell(error: unknown, failure: string, anyway: boolean): void {
    if (failure === this.#failure && !anyway) return;
    this.#failure = failure;
    this.#settings.onBroken(error);
  }
}
