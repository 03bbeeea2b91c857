import { RegistryError } from '../../oci/error.ts';

/** What a token is to be good for (distribution, "Token Scope Documentation"). As it was asked: nobody has judged it. */
export interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** Of one token. */
const maxScopes = 100;
/** Type, class, name and actions; a name may have a port. Nothing here can be read in two ways. */
const form = /^([a-z0-9]+)(\([a-z0-9]+\))?:([A-Za-z0-9._/:-]{1,512}):([a-z*]+(?:,[a-z*]+)*)$/;

/**
 * The words of `scope`, which comes several times, or once with spaces. What is no scope is left out: nothing is granted for it. Throws UNSUPPORTED (400)
 * for too many.
 */
export function askedAccess(scopes: readonly string[]): readonly Access[] {
  const words = new Set(scopes.flatMap((scope) => scope.split(/\s+/)).filter((word) => word !== ''));
  if (words.size > maxScopes)
    throw new RegistryError('UNSUPPORTED', `a token is good for at most ${maxScopes} scopes`, {
      status: 400,
    });
  const asked = [...words].map(accessIn).filter((access) => access !== undefined);
  const byResource = Map.groupBy(asked, ({ type, name }) => `${type}:${name}`);
  return [...byResource.values()].flatMap(([first, ...more]) =>
    first === undefined ? [] : [{ ...first, actions: united([first, ...more]) }],
  );
}

function accessIn(word: string): Access | undefined {
  const [, type, , name, actions] = form.exec(word) ?? [];
  if (type === undefined || name === undefined || actions === undefined) return undefined;
  return { type, name, actions: actions.split(',') };
}

function united(accesses: readonly Access[]): readonly string[] {
  return [...new Set(accesses.flatMap(({ actions }) => actions))];
}
