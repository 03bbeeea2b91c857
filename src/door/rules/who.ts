import { textGlob } from '../../oci/name-glob.ts';
import { AddressBlocks } from '../address-blocks.ts';
import type { Subject } from '../subject.ts';

/**
 * Whom a rule is about, as it is configured; `known`: whoever has shown who he is; `account`: the same by a password or a token of this server, or by one of an issuer that
 * grants something, and not by a certificate alone.
 */
export type Who =
  | 'anyone'
  | 'anonymous'
  | 'known'
  | 'account'
  /** Of the password file. */
  | { readonly user: string }
  /** A program by its `client_id`. */
  | { readonly client: string }
  | (OfAnIssuer & { readonly subject: string })
  | (OfAnIssuer & { readonly group: string })
  /** All of them must say so. */
  | (OfAnIssuer & { readonly claim: Readonly<Record<string, string | number | boolean>> })
  /** Whoever has a token of his, though it be for nobody in particular. */
  | { readonly issuer: string }
  /** A glob of names. */
  | { readonly certificate: string }
  | { readonly cidr: string };

/** Undefined: there is one issuer alone. */
interface OfAnIssuer {
  readonly issuer?: string | undefined;
}

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
  // Names of one kind are none of another: whoever signs certificates or tokens does not give out passwords.
  if ('user' in who)
    return {
      words: `the user ${who.user}`,
      matches: ({ by, id }) => (by === 'password' || by === 'userToken') && id === who.user,
    };
  if ('client' in who)
    return {
      words: `the client ${who.client}`,
      matches: ({ by, id }) => by === 'clientToken' && id === who.client,
    };
  if ('subject' in who) {
    const { subject } = who;
    return ofIssuer(who, `the subject ${subject}`, ({ id }) => id === subject);
  }
  if ('group' in who) {
    const { group } = who;
    return ofIssuer(who, `the group ${group}`, ({ groups }) => groups.includes(group));
  }
  if ('claim' in who) {
    const asked = Object.entries(who.claim).map(([name, value]) => [name, String(value)] as const);
    return ofIssuer(
      who,
      `tokens that say ${asked.map((pair) => pair.join(': ')).join(', ')}`,
      ({ claims = {} }) =>
        asked.every(([name, value]) => Object.hasOwn(claims, name) && claims[name]?.includes(value) === true),
    );
  }
  if ('certificate' in who) return certificateMatcher(who.certificate);
  if ('issuer' in who) return ofIssuer(who, 'whoever has a token', () => true);
  const blocks = new AddressBlocks([who.cidr]);
  return { words: `addresses in ${who.cidr}`, matches: ({ address }) => blocks.includes(address) };
}

/** Who has a token for nobody in particular is nobody all the same. */
function isKnown({ by, id }: Subject): boolean {
  return by !== 'nothing' && id !== undefined;
}

/** What an issuer outside says of somebody is enough where it says what he may do, too. */
function isAccount({ by, id, granted }: Subject): boolean {
  if (id === undefined) return false;
  return (
    by === 'password' ||
    by === 'userToken' ||
    by === 'clientToken' ||
    (by === 'foreignToken' && granted !== undefined)
  );
}

function ofIssuer({ issuer }: OfAnIssuer, words: string, says: (subject: Subject) => boolean): WhoMatcher {
  return {
    words: issuer === undefined ? words : `${words} of ${issuer}`,
    matches: (subject) =>
      subject.by === 'foreignToken' && (issuer === undefined || subject.issuer === issuer) && says(subject),
  };
}

function certificateMatcher(pattern: string): WhoMatcher {
  const glob = textGlob(pattern);
  return {
    words: `certificates of ${pattern}`,
    matches: ({ by, id }) => by === 'certificate' && id !== undefined && glob(id),
  };
}
