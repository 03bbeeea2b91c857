import { dirname } from 'node:path';
import { FileContent } from './file-content.ts';
import type { Random } from './random.ts';

/** A change of names that is not known to be on the disk. */
interface NameChange {
  readonly directories: readonly string[];
  readonly apply: (names: Map<string, FileContent>) => void;
}

/**
 * What is on the disk, for all lives of the server. A killed process loses nothing that was written. A power cut loses what was not
 * synced: bytes of files, and names (a rename too) whose directory was not; of those that were not synced the last so many.
 */
export class Disk {
  #names = new Map<string, FileContent>();
  #durable = new Map<string, FileContent>();
  #changes: NameChange[] = [];
  #inodes = 0;

  get(path: string): FileContent | undefined {
    return this.#names.get(path);
  }

  /** Names in a directory, in the order in which they came. */
  list(directory: string): string[] {
    return [...this.#names.keys()].filter((path) => dirname(path) === directory);
  }

  create(path: string, mtimeMs: number): FileContent {
    this.#inodes += 1;
    const content = new FileContent(mtimeMs, this.#inodes);
    this.#change([path], (names) => names.set(path, content));
    return content;
  }

  remove(path: string): void {
    this.#change([path], (names) => names.delete(path));
  }

  rename(from: string, to: string): void {
    const content = this.#names.get(from);
    if (content === undefined) throw new Error(`no file ${from}`);
    content.changes += 1;
    this.#change([from, to], (names) => {
      if (names.get(from) === content) names.delete(from);
      names.set(to, content);
    });
  }

  /** What a sync of the directory that begins now has brought to the disk when it ends. */
  syncedDirectory(directory: string): () => void {
    const due = new Set(this.#changes.filter(({ directories }) => directories.includes(directory)));
    return () => {
      for (const change of this.#changes) if (due.has(change)) change.apply(this.#durable);
      this.#changes = this.#changes.filter((change) => !due.has(change));
    };
  }

  cutPower(random: Random): void {
    const survive = random.chance(0.5) ? 0 : random.between(0, this.#changes.length);
    for (const change of this.#changes.slice(0, survive)) change.apply(this.#durable);
    this.#changes = [];
    this.#names = new Map(this.#durable);
    for (const content of new Set(this.#names.values())) content.cutPower(random);
  }

  #change(paths: readonly string[], apply: NameChange['apply']): void {
    apply(this.#names);
    this.#changes.push({ directories: paths.map((path) => dirname(path)), apply });
  }
}
