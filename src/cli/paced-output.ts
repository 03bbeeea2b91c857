import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Settles when the output takes more. False: who reads it has had enough, as in `… | head`. */
export async function isWritten(stdout: Writable, text: string): Promise<boolean> {
  if (stdout.write(text)) return true;
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([once(stdout, 'drain', { signal }), once(stdout, 'close', { signal })]).catch(() => {});
  over.abort();
  return !stdout.destroyed;
}

/** The text of a JSON list whose objects come some at a time, one a line. */
export class JsonLines {
  #isEmpty = true;

  of(objects: readonly object[]): string {
    const lines = objects.map((object) => {
      const before = this.#isEmpty ? '[' : ',';
      this.#isEmpty = false;
      return `${before}\n  ${JSON.stringify(object)}`;
    });
    return lines.join('');
  }

  /** What stands behind the last one. */
  get end(): string {
    return this.#isEmpty ? '[]\n' : '\n]\n';
  }
}
