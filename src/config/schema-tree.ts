import * as z from 'zod';
import { type KeyState, keyMeta, type SecretPart } from './key.ts';

export type Path = readonly (string | number)[];

/** A key that is present: its schema and what stands there. */
export interface Place {
  readonly path: Path;
  readonly schema: z.ZodType;
  readonly state: KeyState;
  readonly secret: SecretPart | undefined;
  readonly value: unknown;
}

/** The keys of a mapping; none if the schema is none. */
export function keysOf(schema: z.ZodType | undefined): ReadonlyMap<string, z.ZodType> {
  const leaf = leafOf(schema);
  return new Map(leaf instanceof z.ZodObject ? Object.entries<z.ZodType>(leaf.shape) : []);
}

/** The schema of a list's items. */
export function itemOf(schema: z.ZodType | undefined): z.ZodType | undefined {
  const leaf = leafOf(schema);
  return leaf instanceof z.ZodArray ? (leaf.element as z.ZodType) : undefined;
}

/** The schema of what stands at a path; undefined if nothing may. */
export function schemaAt(schema: z.ZodType, path: Path): z.ZodType | undefined {
  return path.reduce<z.ZodType | undefined>(
    (at, step) => (typeof step === 'number' ? itemOf(at) : keysOf(at).get(step)),
    schema,
  );
}

/** Does the key take text and nothing else? */
export function takesText(schema: z.ZodType | undefined): boolean {
  const leaf = leafOf(schema);
  return leaf instanceof z.ZodString || leaf instanceof z.ZodEnum;
}

export function takesFlag(schema: z.ZodType | undefined): boolean {
  return leafOf(schema) instanceof z.ZodBoolean;
}

/** What stands in the file when the key does not; undefined if nothing does. */
export function defaultOf(schema: z.ZodType): unknown {
  return schema instanceof z.ZodPrefault ? schema.def.defaultValue : undefined;
}

/** Every key that is present, from the outside in; nothing below one that is not built. */
export function* places(schema: z.ZodType, value: unknown, path: Path = []): Generator<Place> {
  const item = itemOf(schema);
  if (item !== undefined && Array.isArray(value)) {
    for (const [index, element] of value.entries()) yield* places(item, element, [...path, index]);
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, keySchema] of keysOf(schema)) {
    const there: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
    if (there === undefined) continue;
    const { state = 'built', secret } = keyMeta(keySchema) ?? {};
    yield { path: [...path, name], schema: keySchema, state, secret, value: there };
    if (state === 'built') yield* places(keySchema, there, [...path, name]);
  }
}

/** What is left without defaults and transformations: what stands in the file. */
function leafOf(schema: z.ZodType | undefined): z.ZodType | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault)
    return leafOf(schema.unwrap() as z.ZodType);
  return schema instanceof z.ZodPipe ? leafOf(schema.in as z.ZodType) : schema;
}
