import { randomBytes } from 'node:crypto';
import { linkSync, lstatSync, renameSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { lstat, opendir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { algorithmOf, hexOf } from '../../oci/digest.ts';
import { type Digest, isDigestText } from '../../oci/reference.ts';
import type { DiscardedContent, DiscardedFile, DiscardedFiles } from '../discarded-content.ts';
import { makeAsAboveSync } from './directory-as-above.ts';
import { codeOf } from './file-system.ts';
import { blobPath } from './store-directories.ts';

/** More than are looked at together. */
const maxNames = 20_000;
/** As many as are read in one go by whoever looks for one. */
const namesAtOnce = 1000;
/** `<algorithm>-<hex>.<of its own>`. */
const namePattern = /^(sha256|sha512)-([0-9a-f]+)\.[0-9a-f]{16}$/;

/**
 * `trash/`, where files lie that were discarded until that is known to be durable. Calls of a few microseconds each are made as they stand,
 * since the index is locked meanwhile, and only while it is.
 */
export class Trash implements DiscardedContent, DiscardedFiles {
  readonly #root: string;
  readonly #directory: string;
  /** Of what this process has moved there, or seen there. One that is forgotten is found when somebody looks next. */
  readonly #names = new LRUCache<Digest, string>({ max: maxNames });

  /** `root`: the versioned directory. */
  constructor(root: string) {
    this.#root = root;
    this.#directory = join(root, 'trash');
  }

  take(digest: Digest, before: number): 'taken' | 'absent' | 'left' {
    const path = blobPath(this.#root, digest);
    try {
      const seen = lstatSync(path, { throwIfNoEntry: false });
      if (seen === undefined) return 'absent';
      if (!seen.isFile() || cameAt(seen) >= before) return 'left';
      const aside = join(this.#directory, newName(digest));
      this.#move(path, aside);
      // Somebody may have put the same bytes since it was seen: they may be on their way to be known.
      if (!isSame(seen, lstatSync(aside))) {
        putBack(aside, path);
        return 'left';
      }
      this.#names.set(digest, basename(aside));
      return 'taken';
    } catch (error) {
      // Between the two looks somebody else has removed it.
      return codeOf(error) === 'ENOENT' ? 'absent' : 'left';
    }
  }

  restore(digest: Digest): boolean {
    try {
      const path = blobPath(this.#root, digest);
      const seen = lstatSync(path, { throwIfNoEntry: false });
      if (seen !== undefined) return seen.isFile();
      const name = this.#names.get(digest);
      if (name === undefined) return false;
      putBack(join(this.#directory, name), path);
      this.#names.delete(digest);
      return true;
    } catch {
      // It is fetched again.
      return false;
    }
  }

  /** Does it lie there? Then {@link restore} finds it. False also where nobody can tell. */
  async has(digest: Digest): Promise<boolean> {
    try {
      for await (const { name } of await opendir(this.#directory, { bufferSize: namesAtOnce })) {
        if (digestOf(name) !== digest) continue;
        this.#names.set(digest, name);
        return true;
      }
    } catch {
      // It is not there, mostly.
    }
    return false;
  }

  async list(limit: number): Promise<readonly DiscardedFile[]> {
    const files: DiscardedFile[] = [];
    try {
      for await (const { name } of await opendir(this.#directory)) {
        const digest = digestOf(name);
        if (digest === undefined) continue;
        files.push({ name, digest });
        this.#names.set(digest, name);
        if (files.length === limit) break;
      }
    } catch (error) {
      if (!isOfDirectory(error)) throw error;
    }
    return files;
  }

  async remove({ name, digest }: DiscardedFile): Promise<boolean> {
    if (this.#names.get(digest) === name) this.#names.delete(digest);
    return await rm(join(this.#directory, name), { force: true }).then(
      () => true,
      () => false,
    );
  }

  async frees(digest: Digest): Promise<number> {
    return await lstat(blobPath(this.#root, digest)).then(
      ({ nlink, size }) => (nlink === 1 ? size : 0),
      () => 0,
    );
  }

  #move(from: string, to: string): void {
    try {
      renameSync(from, to);
    } catch (error) {
      if (!isOfDirectory(error)) throw error;
      // Of the two it is the directory, mostly; else this says so.
      makeOnce(this.#directory);
      renameSync(from, to);
    }
  }
}

/** It is not there, or something else lies there. */
function isOfDirectory(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error) ?? '');
}

/** What lies in its place and is none keeps its bytes beside it. */
function makeOnce(directory: string): void {
  try {
    makeAsAboveSync(directory);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if (isDirectory(directory)) return;
    renameSync(directory, `${directory}.aside-${randomBytes(4).toString('hex')}`);
    makeAsAboveSync(directory);
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (isOfDirectory(error)) return false;
    throw error;
  }
}

/** When its bytes were written, or it got its name: what was put just now came just now. */
function cameAt({ mtimeMs, ctimeMs }: Stats): number {
  return Math.max(mtimeMs, ctimeMs);
}

function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev && one.mtimeMs === other.mtimeMs;
}

/** Nothing that came since is replaced. */
function putBack(from: string, to: string): void {
  try {
    linkSync(from, to);
    unlinkSync(from);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') unlinkSync(from);
    // A file system without links.
    else if (lstatSync(to, { throwIfNoEntry: false }) === undefined) renameSync(from, to);
  }
}

function newName(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest)}.${randomBytes(8).toString('hex')}`;
}

function digestOf(name: string): Digest | undefined {
  const [, algorithm, hex] = namePattern.exec(name) ?? [];
  const text = `${algorithm}:${hex}`;
  return isDigestText(text) ? text : undefined;
}
