import type * as z from 'zod';
import { keyMeta } from './key.ts';
import { pathText } from './path-text.ts';
import { itemOf, keysOf, type Path, schemaAt } from './schema-tree.ts';

/** A mapping that has the key, as text: `registries[].auth`; `''` is the top level. */
export interface Home {
  readonly mapping: string;
  /** As it is spelled there. */
  readonly key: string;
}

/** Where a key is known, in any case of its letters: those of the mappings below `path` that are nearest to it. Of what is refused nobody is told. */
export function homesBelow(path: Path, key: string, schema: z.ZodType): Home[] {
  let ofAdmin: Home[] = [];
  let level: Mapping[] = mappingsOf(schemaAt(schema, path), pathText(path));
  while (level.length > 0) {
    const homes = level.flatMap(({ text, keys }) => {
      const name = keys.keys().find((candidate) => candidate.toLowerCase() === key.toLowerCase());
      return name === undefined || keyMeta(keys.get(name) as z.ZodType)?.state === 'refused'
        ? []
        : [{ mapping: text, key: name }];
    });
    if (homes.some(({ mapping }) => mapping !== 'admin')) return [...homes, ...ofAdmin];
    // A user is a registry's, more often than not: nobody is to let his into the administration.
    ofAdmin = [...ofAdmin, ...homes];
    level = level.flatMap(below);
  }
  return ofAdmin;
}

/** The same around `path`: below the next mapping or list outside it that knows of the key. */
export function homesAround(path: Path, key: string, schema: z.ZodType): Home[] {
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const homes = homesBelow(path.slice(0, depth), key, schema);
    if (homes.length > 0) return homes;
  }
  return [];
}

interface Mapping {
  readonly text: string;
  readonly keys: ReadonlyMap<string, z.ZodType>;
}

/** The mapping that this is, or of which it is a list. */
function mappingsOf(schema: z.ZodType | undefined, text: string): Mapping[] {
  const item = itemOf(schema);
  if (item !== undefined) return mappingsOf(item, `${text}[]`);
  const keys = keysOf(schema);
  return keys.size === 0 ? [] : [{ text, keys }];
}

/** In what works: what is below other keys is of no use to anybody. */
function below({ text, keys }: Mapping): Mapping[] {
  return [...keys]
    .filter(([, schema]) => (keyMeta(schema)?.state ?? 'built') === 'built')
    .flatMap(([name, schema]) => mappingsOf(schema, text === '' ? name : `${text}.${name}`));
}
