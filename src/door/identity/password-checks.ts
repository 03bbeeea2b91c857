import type { Worker } from 'node:worker_threads';
import { startThread } from '../../base/thread.ts';
import { Busy } from '../../oci/busy.ts';
import { RegistryError } from '../../oci/error.ts';
import { FairQueue, type Waiting } from './fair-queue.ts';
import type { PasswordQuestion } from './password-thread.ts';

/** A hash takes a twentieth of a second and more: whoever is last waits for seconds. */
const bounds = { most: 128, mostOfOne: 16 };
/** argon2 takes its memory beside the heap. Megabytes. */
const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };

interface Check extends PasswordQuestion, Waiting {
  readonly answered: PromiseWithResolvers<boolean>;
}

/**
 * Compares passwords with hashes in a thread of its own, one at a time: a flood takes one processor, and none of the threads that read files. Whose
 * they are is told by network. Made when it is first needed, and never what keeps the process alive by itself.
 */
export class PasswordChecks implements AsyncDisposable {
  readonly #queue = new FairQueue<Check>(bounds);
  #thread: Worker | undefined;
  #current: Check | undefined;
  #isOver = false;

  /** How many wait. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Throws TOOMANYREQUESTS (429) where too many wait, UNAVAILABLE (503) where the system gives no thread. */
  async check(owner: string, question: PasswordQuestion): Promise<boolean> {
    if (this.#isOver) throw noThread();
    const answered = Promise.withResolvers<boolean>();
    const giveUp = (): void => answered.reject(tooMany());
    if (!this.#queue.add({ ...question, owner, giveUp, answered })) throw tooMany();
    this.#next();
    return await answered.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const thread = this.#thread;
    this.#isOver = true;
    this.#thread = undefined;
    this.#current?.answered.reject(noThread());
    for (let left = this.#queue.take(); left !== undefined; left = this.#queue.take())
      left.answered.reject(noThread());
    await thread?.terminate();
  }

  #next(): void {
    if (this.#current !== undefined) return;
    this.#current = this.#queue.take();
    if (this.#current === undefined) {
      this.#thread?.unref();
      return;
    }
    const { hash, password } = this.#current;
    const thread = this.#thread ?? this.#started();
    if (thread === undefined) {
      this.#end((check) => check.answered.reject(noThread()));
      return;
    }
    thread.ref();
    thread.postMessage({ hash, password } satisfies PasswordQuestion);
  }

  /** Undefined: the system gives none. */
  #started(): Worker | undefined {
    try {
      const thread = startThread(import.meta, 'password-thread', { limits });
      thread.on('message', (is: boolean) => this.#end((check) => check.answered.resolve(is)));
      thread.on('error', (error) => this.#drop(thread, error));
      thread.on('exit', () => this.#drop(thread, noThread()));
      this.#thread = thread;
      return thread;
    } catch {
      return undefined;
    }
  }

  /** The next question begins with a new one. */
  #drop(thread: Worker, reason: unknown): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    this.#end((check) => check.answered.reject(reason));
  }

  #end(settle: (check: Check) => void): void {
    const check = this.#current;
    this.#current = undefined;
    if (check !== undefined) settle(check);
    this.#next();
  }
}

function tooMany(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', 'too many passwords are looked at: try again', {
    headers: { 'Retry-After': '2' },
  });
}

function noThread(): RegistryError {
  return new Busy('passwords cannot be looked at now');
}
