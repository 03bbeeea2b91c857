import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

/** A fenced block of a page, as its reader copies it. */
export interface Block {
  /** Below the checkout. */
  readonly page: string;
  /** Of its first line in the page. */
  readonly line: number;
  /** The heading that it stands below. */
  readonly section: string;
  /** What stands behind the fence: `yaml`, `sh`; empty is what a program prints. */
  readonly language: string;
  readonly text: string;
}

/** Every block of README, docs and what else a user reads, from the pages as they are. */
export async function allBlocks(): Promise<Block[]> {
  const pages = await Array.fromAsync(glob(['*.md', 'docs/**/*.md'], { cwd: root }));
  const blocks = await Promise.all(
    pages.sort().map(async (page) => blocksIn(page, await readFile(join(root, page), 'utf8'))),
  );
  return blocks.flat();
}

/** A fence may be indented, in a list; then so is its text. */
const fenced = /^( *)```(\S*)[^\n]*\n(.*?)^\1```$/gms;

export function blocksIn(page: string, text: string): Block[] {
  return [...text.matchAll(fenced)].map((match) => {
    const [, indent = '', language = '', body = ''] = match;
    const above = text.slice(0, match.index);
    const line = above.split('\n').length + 1;
    const section = [...above.replaceAll(fenced, '').matchAll(/^#+ (.+)$/gm)].at(-1)?.[1] ?? '';
    return { page, line, section, language, text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), '') };
  });
}

/** For the name of a test, and to find the block by. */
export function placeOf({ page, line }: Block): string {
  return `${page}:${line}`;
}
