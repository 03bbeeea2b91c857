import type { JWTPayload } from 'jose';
import { catalogue, type Grant } from '../subject.ts';

/** Of one token; what is beyond it is not read, and grants nothing. Groups are all read: a rule may keep one of them out. */
const maxGrants = 1000;
const maxName = 255;
const control = /\p{Cc}/u;

/**
 * What `access` grants (distribution, "Token Authentication Implementation"): repositories, and the catalogue. Undefined: there is no such claim. What in it is no grant
 * grants nothing.
 */
export function grantsIn({ access }: JWTPayload): readonly Grant[] | undefined {
  if (access === undefined || access === null) return access === null ? [] : undefined;
  if (!Array.isArray(access)) return [];
  return access.slice(0, maxGrants).flatMap((item: unknown) => {
    const { type, name, actions } = record(item);
    if (typeof type !== 'string' || typeof name !== 'string' || !Array.isArray(actions)) return [];
    const words = actions.filter((action) => typeof action === 'string');
    if (type === 'repository') return name === catalogue ? [] : [{ repository: name, actions: words }];
    return type === 'registry' && name === 'catalog' ? [{ repository: catalogue, actions: words }] : [];
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
  return list.filter(isName);
}

/** What is said by a claim, or by the items of its list: texts, numbers, yes and no, as texts. */
export function valuesIn(payload: JWTPayload, claim: string): readonly string[] {
  const value = claimIn(payload, claim);
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list
    .filter((item) => typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean')
    .map(String);
}

/** The words of `scope` (RFC 9068 section 2.2.3) and of `scp`, as some issuers call it: a text with spaces, or a list. */
export function scopesIn({ scope, ['scp']: scp }: JWTPayload): readonly string[] {
  return [scope, scp].flatMap((value: unknown) => {
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return list
      .flatMap((text) => (typeof text === 'string' ? text.split(/\s+/) : []))
      .filter((word) => word !== '');
  });
}

/** By its whole name, else by the names of the members in which it stands, which may have dots too: `realm_access.roles`, `kubernetes.io.namespace`. */
function claimIn(value: unknown, claim: string): unknown {
  const members = record(value);
  if (Object.hasOwn(members, claim)) return members[claim];
  for (let dot = claim.lastIndexOf('.'); dot > 0; dot = claim.lastIndexOf('.', dot - 1)) {
    const name = claim.slice(0, dot);
    const found = Object.hasOwn(members, name) ? claimIn(members[name], claim.slice(dot + 1)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxName && !control.test(value);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
