import type * as z from 'zod';
import { checked, given, listed, record } from './cross-checks.ts';
import type { Path } from './schema-tree.ts';

/** Rules between `authorization: passThrough` and what says otherwise who asks a registry, or who clients are. */

/** Where each client shows a password of his own nothing else says who we are, and nobody but the registry says who may. */
export function ownPasswords<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ authorization, auth, endpoints }) => {
    if (authorization !== 'passThrough') return [];
    const ours = ourCredentials(record(auth)).map((path) => ({
      path: ['auth', ...path],
      message:
        'is of no use with authorization: passThrough, where each client shows his own: take one of the two out',
    }));
    const mirrors = Array.isArray(endpoints) && endpoints.length > 0;
    return mirrors
      ? [
          ...ours,
          {
            path: ['endpoints'],
            message:
              'cannot be used with authorization: passThrough: what a mirror gives says nothing of who may have it',
          },
        ]
      : ours;
  });
}

/** The keys that say who we are. */
function ourCredentials({ token, accounts, ...keys }: Readonly<Record<string, unknown>>): Path[] {
  const { provider, ...secrets } = record(token);
  const found: Path[] = ['user', 'password', 'passwordFromEnv', 'passwordFile'].flatMap((name) =>
    given(keys[name]) ? [[name]] : [],
  );
  const ofToken = ['static', 'staticFromEnv', 'staticFile'].filter((name) => given(secrets[name]));
  if (given(provider)) ofToken.push('provider');
  const further: Path[] = Array.isArray(accounts) && accounts.length > 0 ? [['accounts']] : [];
  return [...found, ...ofToken.map((name) => ['token', name]), ...further];
}

/**
 * The password that a client shows is one: the door's own, or the registry's behind it. And a registry that is never asked lets nobody in.
 */
export function oneMeaningOfPasswords<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ registries, auth, airGapped }) => {
    const passing = listed(registries).flatMap(({ authorization }, at) =>
      authorization === 'passThrough' ? [at] : [],
    );
    const why =
      auth !== undefined && auth !== null
        ? 'passThrough takes the header Authorization for the registry, where auth takes it for this server: take one of the two out, or run a second server'
        : airGapped === true
          ? 'passThrough asks the registry for each client, and airGapped asks nobody: take one of the two out'
          : undefined;
    return why === undefined
      ? []
      : passing.map((at) => ({ path: ['registries', at, 'authorization'], message: why }));
  });
}
