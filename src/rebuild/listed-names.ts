import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import {
  type Digest,
  hostedHost,
  isDigestText,
  isTagText,
  parseRegistryHost,
  type RepositoryName,
  repositoryName,
  type Tag,
} from '../oci/reference.ts';
import { listEnd, listHead, nameKey, originKey, pinnedKey } from '../storage/name-annotations.ts';
import type { Origin } from '../storage/records.ts';

/** The longest names and digests, and more. Characters. */
const maxLine = 16 * 1024;

export interface ListedName {
  readonly repository: RepositoryName;
  /** Undefined: its digest is all that leads to it. */
  readonly tag: Tag | undefined;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly isPinned: boolean;
  readonly origin: Origin;
}

/** The names in an `index.json` as `ImageLayout` writes it, a line each, read once. What is none of ours is left out. */
export class ListedNames {
  readonly #path: string;
  #isOfAll: boolean | undefined;
  #isEnded = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Was it read to the end that we write, and has it all names? */
  get isWhole(): boolean {
    return this.#isOfAll === true && this.#isEnded;
  }

  /** Throws where it cannot be read. */
  async *read(): AsyncGenerator<ListedName> {
    await using file = await open(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await file.stat()).isFile()) throw new Error(`${this.#path} is no file`);
    let rest = '';
    for await (const chunk of file.createReadStream({ encoding: 'utf8', autoClose: false })) {
      const lines = `${rest}${chunk as string}`.split('\n');
      rest = lines.pop() ?? '';
      // None of ours: its end is none either.
      if (rest.length > maxLine) rest = '';
      for (const line of lines) {
        this.#isOfAll ??= line === listHead;
        this.#isEnded = line === listEnd;
        const name = nameIn(line);
        if (name !== undefined) yield name;
      }
    }
  }
}

function nameIn(line: string): ListedName | undefined {
  try {
    const { mediaType, digest, annotations } = JSON.parse(line.replace(/,$/, '')) as Record<string, unknown>;
    const {
      [nameKey]: name,
      [pinnedKey]: pinned,
      [originKey]: origin,
    } = annotations as Record<string, unknown>;
    if (typeof mediaType !== 'string' || typeof digest !== 'string' || typeof name !== 'string')
      return undefined;
    const [, host = '', path = '', tag, its = digest] =
      /^([^/]+)\/([^:@]+)(?::([^:/@]+)|@(.+))$/.exec(name) ?? [];
    if (!isDigestText(digest) || its !== digest || (tag !== undefined && !isTagText(tag))) return undefined;
    const registry = host === hostedHost ? hostedHost : parseRegistryHost(host);
    const repository = repositoryName(registry, path);
    return { repository, tag, digest, mediaType, isPinned: pinned === 'true', origin: originIn(origin) };
  } catch {
    return undefined;
  }
}

function originIn(text: unknown): Origin {
  return text === 'import' || text === 'push' ? text : 'upstream';
}
