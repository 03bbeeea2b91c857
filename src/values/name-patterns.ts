/**
 * Regular expressions with commas between them, in the original's notation (Go's): `(?i)` in front of one is case-insensitive. Matches what one of
 * them finds something in; none is everything. Throws an Error for what is none.
 */
export function namePatterns(text: string): (name: string) => boolean {
  const patterns = text
    .split(',')
    .filter((pattern) => pattern !== '')
    .map(patternOf);
  return (name) => patterns.length === 0 || patterns.some((pattern) => pattern.test(name));
}

function patternOf(text: string): RegExp {
  const isCaseless = text.startsWith('(?i)');
  try {
    return new RegExp(isCaseless ? text.slice('(?i)'.length) : text, isCaseless ? 'i' : '');
  } catch {
    throw new Error(`${JSON.stringify(text)} is no regular expression`);
  }
}
