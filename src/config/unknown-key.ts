import type * as z from 'zod';
import { type Home, homesAround, homesBelow } from './home-of-key.ts';
import { ownWord } from './other-words.ts';
import { keysOf, type Path, schemaAt } from './schema-tree.ts';
import { nearest } from './suggestion.ts';

/** More would not help. */
const maxHomes = 3;

/** What is said of a key that the mapping at `path` does not have: what was probably meant, or where it belongs. */
export function unknownKey(key: string, path: Path, schema: z.ZodType): string {
  const hint = hintOf(key, path, schema);
  return hint === undefined ? 'unknown key' : `unknown key; ${hint}`;
}

function hintOf(key: string, path: Path, schema: z.ZodType): string | undefined {
  const here = keysOf(schemaAt(schema, path));
  const own = ownWord(key) ?? key;
  if (own !== key && here.has(own)) return meant(own);
  const near = nearest(key, here.keys());
  if (near?.toLowerCase() === key.toLowerCase()) return meant(near);
  const inside = homesBelow(path, key, schema);
  if (inside.length > 0) return belongs(key, inside);
  if (near !== undefined) return meant(near);
  const outside = homesAround(path, key, schema);
  if (outside.length > 0) return belongs(key, outside);
  const homes = own === key ? [] : homesOf(path, own, schema);
  return homes.length > 0 ? belongs(key, homes) : undefined;
}

function homesOf(path: Path, key: string, schema: z.ZodType): Home[] {
  const inside = homesBelow(path, key, schema);
  return inside.length > 0 ? inside : homesAround(path, key, schema);
}

function meant(key: string): string {
  return `did you mean ${JSON.stringify(key)}?`;
}

function belongs(key: string, homes: readonly Home[]): string {
  const known = homes[0]?.key ?? key;
  const mappings = homes
    .filter((home) => home.key === known)
    .slice(0, maxHomes)
    .map(({ mapping }) => mapping);
  const where = mappings.includes('') ? 'at the top level' : `below ${mappings.join(' or ')}`;
  return known === key ? `it belongs ${where}` : `did you mean ${JSON.stringify(known)} ${where}?`;
}
