import type { JWTPayload } from 'jose';
import type { Grant } from '../subject.ts';

/** Of one token; what is beyond it is not read. */
const maxGroups = 1000;
const maxGrants = 1000;
const maxName = 255;
const control = /\p{Cc}/u;

/**
 * What `access` grants (distribution, "Token Authentication Implementation"); of what is no repository the type is part of the name, as in
 * `registry:catalog`. Undefined: there is no such claim. What in it is no grant grants nothing.
 */
export function grantsIn({ access }: JWTPayload): readonly Grant[] | undefined {
  if (access === undefined || access === null) return access === null ? [] : undefined;
  if (!Array.isArray(access)) return [];
  return access.slice(0, maxGrants).flatMap((item: unknown) => {
    const { type, name, actions } = record(item);
    if (typeof type !== 'string' || typeof name !== 'string' || !Array.isArray(actions)) return [];
    const words = actions.filter((action) => typeof action === 'string');
    return [{ repository: type === 'repository' ? name : `${type}:${name}`, actions: words }];
  });
}

/** The claim that names the user. Undefined: it is not there, or no name. */
export function userIn(payload: JWTPayload, claim: string): string | undefined {
  const name = claimIn(payload, claim);
  return isName(name) ? name : undefined;
}

/** The claim that lists groups: a list of texts, or one text with spaces, as `scope` is. What is no name is left out. */
export function groupsIn(payload: JWTPayload, claim: string): readonly string[] {
  const groups = claimIn(payload, claim);
  const list: readonly unknown[] =
    typeof groups === 'string' ? groups.split(' ') : Array.isArray(groups) ? groups : [];
  return list.slice(0, maxGroups).filter(isName);
}

/** By its whole name, else by the names of the members in which it stands, which may have dots of their own: `realm_access.roles`, `kubernetes.io.namespace`. */
function claimIn(members: Readonly<Record<string, unknown>>, claim: string): unknown {
  if (Object.hasOwn(members, claim)) return members[claim];
  for (let dot = claim.indexOf('.'); dot !== -1; dot = claim.indexOf('.', dot + 1)) {
    const name = claim.slice(0, dot);
    if (!Object.hasOwn(members, name)) continue;
    const inner = claimIn(record(members[name]), claim.slice(dot + 1));
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxName && !control.test(value);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
