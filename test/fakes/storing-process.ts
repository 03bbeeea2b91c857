import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseDigest } from '#src/oci/reference.ts';
import type { SpoolNote } from '#src/storage/spool-store.ts';
import { bytes } from './images.ts';

export type StoringCommand =
  /** Holds a lock in the directory; answers the owner’s id. */
  | { readonly kind: 'lock'; readonly directory: string }
  /** Answers whether that owner lives. */
  | { readonly kind: 'life'; readonly directory: string; readonly owner: string }
  /** Goes on with {@link largeBlob} in a store: `write` answers at once and writes behind, `keep` answers which ranges it has kept. */
  | { readonly kind: 'write' | 'keep'; readonly directory: string; readonly parts: readonly number[] }
  /** Answers at once, and keeps so many small blobs behind that, all at a time. */
  | { readonly kind: 'small'; readonly directory: string; readonly count: number };

const note: SpoolNote = {
  digest: parseDigest(`sha256:${'1'.repeat(64)}`),
  scope: 'docker.io',
  size: undefined,
};

/** What a storing process writes: each part is the same megabyte and a bit, so that no two ends fall on a page. */
export const largeBlob = { note, part: Buffer.from(bytes(1024 * 1024 + 13, 7)) };

/** What it keeps of small blobs: of any size up to 64 KiB. */
export function smallBlob(at: number): Buffer {
  return Buffer.from(bytes(1 + ((at * 7919) % 65_536), at + 1));
}

/** Another process that has a store, or a lock, and can be killed. */
export class StoringProcess implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(join(import.meta.dirname, 'storing-child.ts'), { stdio: 'inherit' });
  }

  /** One at a time. Rejects when it ends before it answers. */
  async ask(command: StoringCommand): Promise<unknown> {
    const ended = new AbortController();
    this.#child.once('exit', () => ended.abort(new Error('the process ended')));
    this.#child.send(command);
    const [{ answer, error }] = await once(this.#child, 'message', { signal: ended.signal });
    if (error !== undefined) throw new Error(error);
    return answer;
  }

  /** As `kill -9` does. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
