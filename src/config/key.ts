import * as z from 'zod';

/**
 * What becomes of a key in this version:
 * - `built`: it works.
 * - `accepted`: it changes nothing, and nothing is lost by that.
 * - `ignored`: its feature is not built; the start warns when it is set.
 * - `refused`: the same, but ignoring it would open a door or misplace data: the start stops when it is set.
 */
export type KeyState = 'built' | 'accepted' | 'ignored' | 'refused';

/** How what is not built is called, wherever it is named. */
export const notYet = 'not available in this version yet';

/** One of the up to three ways to give one secret. */
export interface SecretPart {
  /** The key that holds the secret in the end: `password` for `passwordFile`. */
  readonly name: string;
  readonly from: 'literal' | 'environment' | 'file';
}

interface KeyMeta {
  readonly about: string;
  readonly state: KeyState;
  readonly secret?: SecretPart;
}

const keys = z.registry<KeyMeta>();

/** A key of the configuration: one line for its reader, and whether it does something already. */
export function key<S extends z.ZodType>(about: string, schema: S, state: KeyState = 'built'): S {
  return withMeta(schema, { about, state });
}

export function secretKey<S extends z.ZodType>(about: string, schema: S, secret: SecretPart): S {
  return withMeta(schema, { about, state: 'built', secret });
}

export function keyMeta(schema: z.core.$ZodType): KeyMeta | undefined {
  return keys.get(schema);
}

/** Metadata belongs to an instance, and one leaf serves many keys: so each key is a copy. */
function withMeta<S extends z.ZodType>(schema: S, meta: KeyMeta): S {
  const copy = schema.clone();
  keys.add(copy, meta);
  return copy;
}
