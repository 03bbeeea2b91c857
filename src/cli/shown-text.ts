/** Of a path, a place in it and a name together. Characters. */
const maxLength = 4096;

/** What others have written, for a line: what moves a terminal’s cursor or begins another line is not among it, and it is no longer than that. */
export function shownText(text: string): string {
  const shown = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
  return shown.length > maxLength ? `${shown.slice(0, maxLength)}…` : shown;
}
