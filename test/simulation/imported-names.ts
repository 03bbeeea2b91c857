import type { Digest } from '#src/oci/reference.ts';

/** Where imports point tags, and until when they may have done so: whoever imports says that they point there now. */
export class ImportedNames {
  readonly #now: () => number;
  readonly #until = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Disposed of when the import is over. */
  begin(images: Iterable<{ readonly name: string; readonly digest: Digest }>): Disposable {
    const keys = [...images].map(({ name, digest }) => `${name} ${digest}`);
    for (const key of keys) this.#until.set(key, Number.POSITIVE_INFINITY);
    const running = new DisposableStack();
    running.defer(() => {
      for (const key of keys) this.#until.set(key, this.#now());
    });
    return running;
  }

  /** Since `from`, in fake milliseconds. */
  was(name: string, digest: Digest, from: number): boolean {
    return (this.#until.get(`${name} ${digest}`) ?? Number.NEGATIVE_INFINITY) >= from;
  }
}
