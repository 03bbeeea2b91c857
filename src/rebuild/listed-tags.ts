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

/** The longest names and digests, and more. Characters. */
const maxLine = 16 * 1024;

export interface ListedTag {
  readonly repository: RepositoryName;
  readonly tag: Tag;
  readonly digest: Digest;
  readonly mediaType: string;
}

/** The tags of an `index.json` as `ImageLayout` writes it, a line each. What is none of ours is left out. Throws where it cannot be read. */
export async function* listedTags(path: string): AsyncGenerator<ListedTag> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!(await file.stat()).isFile()) throw new Error(`${path} is no file`);
  let rest = '';
  for await (const chunk of file.createReadStream({ encoding: 'utf8', autoClose: false })) {
    const lines = `${rest}${chunk as string}`.split('\n');
    rest = lines.pop() ?? '';
    // None of ours: its end is none either.
    if (rest.length > maxLine) rest = '';
    for (const line of lines) {
      const tag = parsed(line);
      if (tag !== undefined) yield tag;
    }
  }
}

function parsed(line: string): ListedTag | undefined {
  try {
    const { mediaType, digest, annotations } = JSON.parse(line.replace(/,$/, '')) as Record<string, unknown>;
    const name = (annotations as Record<string, unknown>)['org.opencontainers.image.ref.name'];
    if (typeof mediaType !== 'string' || typeof digest !== 'string' || typeof name !== 'string')
      return undefined;
    const [, host = '', repository = '', tag = ''] = /^([^/]+)\/(.+):([^:/]+)$/.exec(name) ?? [];
    if (!isDigestText(digest) || !isTagText(tag)) return undefined;
    const registry = host === hostedHost ? hostedHost : parseRegistryHost(host);
    return { repository: repositoryName(registry, repository), tag, digest, mediaType };
  } catch {
    return undefined;
  }
}
