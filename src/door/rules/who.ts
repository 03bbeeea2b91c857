import { textGlob } from '../../oci/name-glob.ts';
import { AddressBlocks } from '../address-blocks.ts';
import type { Subject } from '../subject.ts';

/** Whom a rule is about, as it is configured; `known`: whoever has shown who he is; `account`: the same by a password or a token, and not by a certificate alone. */
export type Who =
  | 'anyone'
  | 'anonymous'
  | 'known'
  | 'account'
  | { readonly user: string }
  | { readonly group: string }
  /** A glob of names. */
  | { readonly certificate: string }
  | { readonly cidr: string };

/** Whom a rule is about. */
export interface WhoMatcher {
  readonly matches: (subject: Subject) => boolean;
  /** For people: `the group ci`. */
  readonly words: string;
}

export function whoMatcher(who: Who): WhoMatcher {
  if (who === 'anyone') return { words: 'anyone', matches: () => true };
  if (who === 'known') return { words: 'whoever is known', matches: isKnown };
  if (who === 'anonymous') return { words: 'whoever is not known', matches: (subject) => !isKnown(subject) };
  if (who === 'account') return { words: 'whoever has shown a password or a token', matches: isAccount };
  // A certificate's name is no user's: whoever signs certificates does not give out passwords.
  if ('user' in who)
    return {
      words: `the user ${who.user}`,
      matches: (subject) => isAccount(subject) && subject.id === who.user,
    };
  if ('group' in who)
    return { words: `the group ${who.group}`, matches: ({ groups }) => groups.includes(who.group) };
  if ('certificate' in who) return certificateMatcher(who.certificate);
  const blocks = new AddressBlocks([who.cidr]);
  return { words: `addresses in ${who.cidr}`, matches: ({ address }) => blocks.includes(address) };
}

/** Who has a token for nobody in particular is nobody all the same. */
function isKnown({ by, id }: Subject): boolean {
  return by !== 'nothing' && id !== undefined;
}

function isAccount({ by, id }: Subject): boolean {
  return (by === 'password' || by === 'token') && id !== undefined;
}

function certificateMatcher(pattern: string): WhoMatcher {
  const glob = textGlob(pattern);
  return {
    words: `certificates of ${pattern}`,
    matches: ({ by, id }) => by === 'certificate' && id !== undefined && glob(id),
  };
}
