import type * as z from 'zod';
import { checked, type Found, given, listed, record, textsOf } from './cross-checks.ts';
import { faultOfGlob, faultOfTagGlob, type PossibleNames } from './glob-fault.ts';

/** Rules between those of access and policy, and what else says who and what there is. */

/** A rule that matches nothing keeps nobody out. */
export function matchingGlobs<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ access, policy, hosted, registries, publicUrl }) => {
    const names: PossibleNames = {
      hosted: listed(hosted).flatMap(({ repositories }) => textsOf(repositories)),
      aliases: new Map(
        listed(registries).flatMap(({ alias, name }) =>
          typeof alias === 'string' && alias !== '' ? [[alias, String(name)] as const] : [],
        ),
      ),
      own: typeof publicUrl === 'string' ? URL.parse(publicUrl)?.host : undefined,
    };
    return [
      ...faultsOf('access', access, (glob) => {
        const isTagged = glob.slice(glob.lastIndexOf('/') + 1).includes(':');
        return isTagged ? 'is a glob of names: tags are a matter of policy' : faultOfGlob(glob, names);
      }),
      ...faultsOf('policy', policy, (glob) => {
        const colon = glob.indexOf(':', glob.lastIndexOf('/') + 1);
        if (colon === -1) return faultOfGlob(glob, names);
        return faultOfGlob(glob.slice(0, colon), names) ?? faultOfTagGlob(glob.slice(colon + 1));
      }),
    ];
  });
}

/** A rule about somebody whom nobody could name keeps nobody out either; and where two could name him, who means which? */
export function aboutSomebody<S extends z.ZodType>(schema: S): S {
  return checked(schema, ({ access, auth }) => {
    const { oauth, issuers } = record(auth);
    const clients = listed(record(oauth)['clients']).map(({ id }) => id);
    const known = new Set(listed(issuers).map(({ issuer }) => issuer));
    return listed(access).flatMap((rule, at) => {
      const who = record(rule['who']);
      const path = ['access', at, 'who'];
      if (given(who['client']) && given(oauth) && !clients.includes(who['client']))
        return [{ path: [...path, 'client'], message: 'is the id of no client of auth.oauth' }];
      if (given(who['issuer']) && !known.has(who['issuer']))
        return [{ path: [...path, 'issuer'], message: 'is none of auth.issuers' }];
      const isOfOne = ['subject', 'group', 'claim'].some((kind) => given(who[kind]));
      return isOfOne && !given(who['issuer']) && known.size > 1
        ? [{ path, message: 'needs issuer: more than one of auth.issuers could say so' }]
        : [];
    });
  });
}

function faultsOf(key: string, rules: unknown, faultOf: (glob: string) => string | undefined): Found[] {
  return listed(rules).flatMap(({ repositories }, at) => {
    const path = [key, at, 'repositories'];
    if (Array.isArray(repositories) && repositories.length === 0)
      return [{ path, message: 'has no glob: the rule is about nothing' }];
    return textsOf(repositories).flatMap((glob, index) => {
      const fault = glob === '' ? undefined : faultOf(glob);
      return fault === undefined ? [] : [{ path: [...path, index], message: fault }];
    });
  });
}
