import { fileVersions } from './file-versions.ts';

export interface FollowedSettings<Made> {
  readonly files: readonly string[];
  /** Throws when the files cannot be used. */
  readonly make: () => Promise<Made>;
  /** Told why new files cannot be used, where older ones can. */
  readonly onBroken: (error: unknown) => void;
}

/**
 * What is made of files, and made again when they have changed. What is broken changes nothing, once there was something right, is told
 * once, and is tried again: it may not be the files' fault.
 */
export class FollowedFiles<Made> {
  readonly #settings: FollowedSettings<Made>;
  #made: Made | undefined;
  /** Of the files that it was made of. */
  #version: string | undefined;
  /** Of files that were read last and could not be used, with the reason. */
  #failure: string | undefined;

  constructor(settings: FollowedSettings<Made>) {
    this.#settings = settings;
  }

  /** Of the files as they were when they could last be used; undefined: never yet. */
  get made(): Made | undefined {
    return this.#made;
  }

  /**
   * One at a time. `anyway`: also where the files look as before, and what is broken is told again. Throws where nothing was right yet.
   * The version is taken before the files are read: what changes meanwhile is seen the next time.
   */
  async check(anyway = false): Promise<Made> {
    const { files, make } = this.#settings;
    const before = this.#made;
    const version = await fileVersions(files);
    if (before !== undefined && version === this.#version && !anyway) return before;
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
