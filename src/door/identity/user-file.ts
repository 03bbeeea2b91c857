import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import { FollowedFiles } from '../../base/followed-files.ts';
import type { Log } from '../../base/log.ts';
import { readHtpasswd, type Users } from './htpasswd.ts';

/** Who was taken out is out by then. Milliseconds. */
const checkEveryMs = 5000;

/** The users of a password file as it says now. A file that cannot be used changes nothing, and is told once. */
export class UserFile implements AsyncDisposable {
  readonly #files: FollowedFiles<Users>;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #watching: Promise<void> = Promise.resolve();

  private constructor(path: string, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    this.#files = new FollowedFiles({
      files: [path],
      make: async () => await readHtpasswd(path),
      onBroken: (error) =>
        log.error({ err: error, file: path }, 'the new password file cannot be used: the old users stay'),
      clock,
    });
  }

  /** Throws an Error that says why the file cannot be used. */
  static async open(path: string, parts: { readonly clock: Clock; readonly log: Log }): Promise<UserFile> {
    const file = new UserFile(path, parts);
    await file.#files.check();
    file.#watching = file.#watch();
    return file;
  }

  /** The hash of his password; undefined: there is no such user. */
  hashOf(user: string): string | undefined {
    return this.users.get(user);
  }

  get users(): Users {
    return this.#files.made ?? new Map();
  }

  /** Looks whether it has changed. */
  async check(): Promise<void> {
    await this.#files.check();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (await this.#isNextCheck()) {
      // The end does not wait for files.
      await abortable(this.check(), this.#stop.signal).catch(() => undefined);
    }
  }

  /** False: it is over. */
  async #isNextCheck(): Promise<boolean> {
    const { signal } = this.#stop;
    await this.#clock.sleep(checkEveryMs, signal).catch(() => undefined);
    return !signal.aborted;
  }
}
