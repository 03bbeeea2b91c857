import type * as z from 'zod';
import { checked, type Found, given, listed, record, textsOf } from './cross-checks.ts';
import type { Path } from './schema-tree.ts';

/** Rules between the keys that say how clients are known, and at which doors. */

/** Who asks for who clients are has some way to know them. */
export function ofSomeKind<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ basic, tokenService, oauth, issuers }) => {
    const isEmpty = [basic, tokenService, oauth].every((kind) => kind === undefined || kind === null);
    return isEmpty && (!Array.isArray(issuers) || issuers.length === 0)
      ? [{ path: [], message: 'needs basic, tokenService, oauth or issuers: else nobody could ever come in' }]
      : [];
  });
}

/** Tokens of the token service are had with a password. */
export function withPasswords<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ basic, tokenService }) =>
    given(tokenService) && !given(basic)
      ? [{ path: ['tokenService'], message: 'needs auth.basic: its tokens are had with a password' }]
      : [],
  );
}

/** Clients are sent to its token service by the URL under which they know it. */
export function reachableTokenService<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ auth, publicUrl }) =>
    given(record(auth)['tokenService']) && !given(publicUrl)
      ? [{ path: ['auth', 'tokenService'], message: 'needs publicUrl: there clients are sent for tokens' }]
      : [],
  );
}

/** Who takes at a door what nobody can have takes nothing: that is said by an empty list. */
export function knownAtDoors<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ auth: found, listeners }) => {
    const auth = record(found);
    const ofListeners = listed(listeners).flatMap((listener, at) =>
      listenerProblems(listener, auth).map(({ path, message }) => ({
        path: ['listeners', at, ...path],
        message,
      })),
    );
    return [...absentKinds(auth['atPort'], ['auth', 'atPort'], auth), ...ofListeners];
  });
}

function listenerProblems(
  { serve, auth: kinds, rateLimit }: Readonly<Record<string, unknown>>,
  auth: Readonly<Record<string, unknown>>,
): Found[] {
  if (serve === 'files')
    return Object.entries({ auth: kinds, rateLimit }).flatMap(([key, value]) =>
      given(value)
        ? [{ path: [key], message: 'files are given to whoever asks: this would keep nobody out' }]
        : [],
    );
  const absent = absentKinds(kinds, ['auth'], auth);
  const issues = ['tokenService', 'oauth'].some(
    (kind) => isThere(auth[kind]) && (!Array.isArray(kinds) || kinds.includes(kind)),
  );
  return serve === 'token' && !issues
    ? [...absent, { path: ['serve'], message: 'token needs auth.tokenService or auth.oauth' }]
    : absent;
}

/** Those of `kinds` that `auth` has not. */
function absentKinds(kinds: unknown, path: Path, auth: Readonly<Record<string, unknown>>): Found[] {
  return textsOf(kinds).flatMap((kind, index) =>
    isThere(auth[kind]) ? [] : [{ path: [...path, index], message: `needs auth.${kind}` }],
  );
}

function isThere(value: unknown): boolean {
  return given(value) && value !== null && !(Array.isArray(value) && value.length === 0);
}

/** An issuer without a URL has no OpenID configuration. */
export function ofKeysOfAnIssuer<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ issuer, jwksUrl, keyFile }) => {
    if (given(jwksUrl) && given(keyFile))
      return [{ path: ['keyFile'], message: 'has no effect beside jwksUrl' }];
    const isUrl = typeof issuer === 'string' && /^https?:/.test(issuer) && URL.canParse(issuer);
    return given(issuer) && !isUrl && !given(jwksUrl) && !given(keyFile)
      ? [{ path: ['issuer'], message: 'is no URL where keys could be found: jwksUrl or keyFile is needed' }]
      : [];
  });
}

/** What one issuer says is one list of names: read by two claims, somebody could be called there as somebody else here. */
export function oneReading<S extends z.ZodType>(schema: S): S {
  return checked(schema, (value) => {
    const issuers = listed(value);
    return issuers.flatMap(({ issuer, ...keys }, index) => {
      const first = issuers.slice(0, index).find((other) => given(issuer) && other['issuer'] === issuer);
      return ['subjectClaim', 'groupsClaim'].flatMap((key) =>
        first === undefined || first[key] === keys[key]
          ? []
          : [{ path: [index, key], message: 'is another than that of the same issuer before it' }],
      );
    });
  });
}
