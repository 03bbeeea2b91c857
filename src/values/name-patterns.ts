import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';

/** Loaded with the first pattern: most servers have none, and it has 260 KB of tables. */
const load = createRequire(import.meta.url);

/** Of all of them together. What a pattern costs grows with its length, and no name is as long. Characters. */
const maxLength = 2000;
/** The same of what they say (`a{1000}` is a thousand): what a name costs at first, and the memory for it, grow with that. Steps. */
const maxSize = 5000;

/**
 * Regular expressions with commas between them, in the original's notation (Go's, RE2). Matches what one of them finds something in; none is
 * everything. Whoever wrote them, a match takes a time that grows with the name and the pattern alone. Throws PatternError.
 */
export function namePatterns(text: string): (name: string) => boolean {
  if (text.length > maxLength)
    throw new PatternError(`a pattern of more than ${maxLength} characters is none that is meant`);
  let left = maxSize;
  const patterns = text
    .split(',')
    .filter((pattern) => pattern !== '')
    .map((part) => {
      const pattern = patternOf(part);
      left -= pattern.programSize();
      if (left < 0) throw new PatternError('these patterns repeat more than any that is meant');
      return pattern;
    });
  // It may say what is to be removed.
  if (text !== '' && patterns.length === 0)
    throw new PatternError(`${JSON.stringify(text)} has commas, and no regular expression between them`);
  return (name) => patterns.length === 0 || patterns.some((pattern) => pattern.test(name));
}

/** A text is no regular expression. The message says which. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

function patternOf(text: string): RE2JS {
  try {
    const { RE2JS: expressions } = load('re2js') as typeof import('re2js');
    return expressions.compile(text);
  } catch (cause) {
    throw new PatternError(`${JSON.stringify(text)} is no regular expression`, { cause });
  }
}
