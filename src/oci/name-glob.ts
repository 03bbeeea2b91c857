import { Minimatch } from 'minimatch';
import type { RepositoryName, Tag } from './reference.ts';

/** Braces, negation and extended globs are off: they have no meaning in names and take exponential time. */
const options = { dot: true, noext: true, nobrace: true, nonegate: true, nocomment: true } as const;

/** Does a name match? `tag` undefined: it has none, and no glob with a tag part matches it. */
export type NameGlob = (repository: RepositoryName, tag: Tag | undefined) => boolean;

/** A glob on the full repository name, with a tag part after the last colon behind the last slash. */
export function nameGlob(pattern: string): NameGlob {
  const colon = pattern.indexOf(':', pattern.lastIndexOf('/') + 1);
  const name = new Minimatch(colon === -1 ? pattern : pattern.slice(0, colon), options);
  if (colon === -1) return (repository) => name.match(repository);
  const tagName = new Minimatch(pattern.slice(colon + 1), options);
  return (repository, tag) => tag !== undefined && name.match(repository) && tagName.match(tag);
}

/** A glob on one text, all of it. */
export function textGlob(pattern: string): (text: string) => boolean {
  const glob = new Minimatch(pattern, options);
  return (text) => glob.match(text);
}

/** What each text begins with that a glob matches: all that stands before its first pattern. */
export function literalBeginning(pattern: string): string {
  const [literal = ''] = /^(?:\\.|[^*?[\\])*/.exec(pattern) ?? [];
  return literal.replaceAll(/\\(.)/g, '$1');
}
