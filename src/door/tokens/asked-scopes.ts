import { TokenError } from './token-error.ts';

/** Of RFC 6749 section 3.3. */
export const scopeWord = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** Of those that may be had, what was asked for: nothing, or a blank, is all of them. Throws TokenError: invalid_scope. */
export function askedScopes(mayHave: readonly string[], asked: string | undefined): readonly string[] {
  const words = [...new Set((asked ?? '').split(' ').filter((word) => word !== ''))];
  if (words.length === 0) return mayHave;
  if (words.every((word) => scopeWord.test(word) && mayHave.includes(word))) return words;
  throw new TokenError('invalid_scope', 'the client may not ask for this scope');
}
