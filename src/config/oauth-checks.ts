import type * as z from 'zod';
import { checked, given, listed, record } from './cross-checks.ts';

/** Rules between the keys of programs, which see what is there, right or wrong. */

/** Those in whose course a user says who he is. */
const ofUsers = ['authorization_code', 'device_code', 'password'];
/** Those for which he comes to a page of this server. */
const ofPages = ['authorization_code', 'device_code'];

export function distinctClients<S extends z.ZodType>(schema: S): S {
  return checked(schema, (value) => {
    const ids = listed(value).map(({ id }) => id);
    return ids.flatMap((id, index) =>
      given(id) && ids.indexOf(id) < index ? [{ path: [index, 'id'], message: 'is there twice' }] : [],
    );
  });
}

export function signedWithASecret<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ algorithm, secret, secretFromEnv, secretFile }) => {
    const isThere = [secret, secretFromEnv, secretFile].some(given);
    if (algorithm === 'HS256' && !isThere)
      return [{ path: ['algorithm'], message: 'HS256 needs secretFromEnv or secretFile' }];
    return algorithm === 'ES256' && isThere
      ? [{ path: ['algorithm'], message: 'ES256 is signed with a key, and not with a secret' }]
      : [];
  });
}

/** Nobody is believed without a secret, but who could keep none. */
export function clientWithSecret<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ public: isPublic, secret, secretFromEnv, secretFile, grants }) => {
    const has = Object.entries({ secret, secretFromEnv, secretFile }).find(([, value]) => given(value));
    if (isPublic !== true)
      return has === undefined ? [{ path: [], message: 'needs secretFromEnv or secretFile' }] : [];
    if (has !== undefined) return [{ path: [has[0]], message: 'a public client has no secret' }];
    const at = grantsIn(grants).indexOf('client_credentials');
    return at === -1
      ? []
      : [{ path: ['grants', at], message: 'client_credentials needs a secret: a public client has none' }];
  });
}

/** What a grant cannot be without. */
export function clientWithGrants<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ grants, redirectUris }) => {
    const names = grantsIn(grants);
    const uris = Array.isArray(redirectUris) ? redirectUris : [];
    const isSentBack = names.includes('authorization_code');
    const refresh = names.indexOf('refresh_token');
    return [
      ...names.flatMap((name, at) =>
        names.indexOf(name) < at ? [{ path: ['grants', at], message: 'is there twice' }] : [],
      ),
      ...(names.length === 0
        ? [{ path: ['grants'], message: 'is empty: the client would get no token' }]
        : []),
      ...(isSentBack && uris.length === 0
        ? [
            {
              path: ['grants', names.indexOf('authorization_code')],
              message: 'authorization_code needs redirectUris',
            },
          ]
        : []),
      ...(!isSentBack && uris.length > 0
        ? [{ path: ['redirectUris'], message: 'has no effect without authorization_code in grants' }]
        : []),
      ...(refresh !== -1 && !names.some((name) => ofUsers.includes(name))
        ? [
            {
              path: ['grants', refresh],
              message: `refresh_token needs another one that gives such tokens: ${ofUsers.join(', ')}`,
            },
          ]
        : []),
    ];
  });
}

/** Users are known by their passwords. */
export function usersOfGrants<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ basic, oauth }) =>
    given(basic) && basic !== null
      ? []
      : placesOf(oauth, ofUsers).map((path) => ({
          path: ['oauth', ...path],
          message: 'needs auth.basic: its users sign in with a password',
        })),
  );
}

/** Users are sent to its pages by the URL under which they know it. */
export function reachableSignIn<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ auth, publicUrl }) =>
    given(publicUrl)
      ? []
      : placesOf(record(auth)['oauth'], ofPages).map((path) => ({
          path: ['auth', 'oauth', ...path],
          message: 'needs publicUrl: there users are sent to sign in',
        })),
  );
}

/** Where clients have such grants. */
function placesOf(oauth: unknown, names: readonly string[]): (string | number)[][] {
  return listed(record(oauth)['clients']).flatMap(({ grants }, at) =>
    grantsIn(grants).flatMap((name, index) =>
      names.includes(name) ? [['clients', at, 'grants', index]] : [],
    ),
  );
}

function grantsIn(grants: unknown): readonly string[] {
  return Array.isArray(grants) ? grants.map(String) : ['client_credentials'];
}
