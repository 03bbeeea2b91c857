import { parseDuration } from '../values/units.ts';

/** A parameter behind the question mark. */
export interface Parameter<Value> {
  readonly about: string;
  readonly isRequired: boolean;
  /** JSON Schema of its text. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** Of what stands there; undefined: nothing does. Throws {@link BadParameter}. */
  readonly read: (text: string | undefined) => Promise<Value>;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;
export type ValuesOf<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends Parameter<infer Value> ? Value : never;
};

/** Nothing can be done with what stands there. The message says with what. */
export class BadParameter extends Error {
  override readonly name = 'BadParameter';
}

/** Reads all of them. Throws {@link BadParameter} for one that is wrong, missing, there twice, or none of these. */
export async function readParameters<P extends Parameters>(
  parameters: P,
  query: URLSearchParams,
): Promise<ValuesOf<P>> {
  const strange = [...query.keys()].find((name) => !Object.hasOwn(parameters, name));
  if (strange !== undefined)
    throw new BadParameter(`there is no parameter ${quoted(strange)}, ${whatThereIs(parameters)}`);
  const values: Record<string, unknown> = {};
  for (const [name, { read, isRequired }] of Object.entries(parameters)) {
    const [text, second] = query.getAll(name);
    if (second !== undefined) throw new BadParameter(`${name} is there more than once`);
    if (isRequired && (text === undefined || text === '')) throw new BadParameter(`${name} is missing`);
    values[name] = await read(text === '' ? undefined : text).catch(named(name));
  }
  return values as ValuesOf<P>;
}

function whatThereIs(parameters: Parameters): string {
  const names = Object.keys(parameters);
  return names.length === 0 ? 'and no other' : `but ${names.join(', ')}`;
}

function named(name: string) {
  return (error: unknown): never => {
    throw error instanceof BadParameter ? new BadParameter(`${name}: ${error.message}`) : error;
  };
}

/** Matches names; undefined where there is none. */
export function pattern(about: string): Parameter<((name: string) => boolean) | undefined> {
  return {
    about: `${about}: regular expressions in Go's notation (RE2) with commas between them`,
    isRequired: false,
    schema: { type: 'string', maxLength: 2000 },
    read: async (text) => {
      if (text === undefined) return undefined;
      // Its engine is large, and few ever ask for it.
      const { namePatterns, PatternError } = await import('../values/name-patterns.ts');
      try {
        return namePatterns(text);
      } catch (error) {
        throw error instanceof PatternError ? new BadParameter(error.message) : error;
      }
    },
  };
}

/** How many at most; -1 is all. */
export function count(about: string, otherwise = 50): Parameter<number> {
  return {
    about: `${about}; -1 is all (default: ${otherwise})`,
    isRequired: false,
    schema: { type: 'integer', minimum: -1, default: otherwise },
    read: async (text) => {
      if (text === undefined) return otherwise;
      if (!/^(?:-1|\d{1,9})$/.test(text)) throw new BadParameter('must be a whole number, or -1');
      return text === '-1' ? Number.POSITIVE_INFINITY : Number(text);
    },
  };
}

/** Text that something must hold; `''`: anything does. */
export function substring(about: string): Parameter<string> {
  return {
    about,
    isRequired: false,
    schema: { type: 'string', pattern: '^[0-9a-z:]{0,135}$' },
    read: async (text = '') => {
      if (!/^[0-9a-z:]{0,135}$/.test(text)) throw new BadParameter('must be a part of a digest');
      return text;
    },
  };
}

export function choice<const Word extends string>(about: string, words: readonly Word[]): Parameter<Word> {
  return {
    about,
    isRequired: true,
    schema: { type: 'string', enum: words },
    read: async (text) => {
      const word = words.find((one) => one === text);
      if (word === undefined) throw new BadParameter(`must be ${words.join(' or ')}`);
      return word;
    },
  };
}

/** Milliseconds; undefined where there is none. */
export function age(about: string): Parameter<number | undefined> {
  return {
    about: `${about}: a duration such as 30d or 12h`,
    isRequired: false,
    schema: { type: 'string' },
    read: async (text) => {
      if (text === undefined) return undefined;
      const milliseconds = parseDuration(text);
      if (milliseconds === undefined) throw new BadParameter('must be a duration such as 30d or 12h');
      return milliseconds;
    },
  };
}

/** Go's words for true and false (strconv.ParseBool). */
export function flag(about: string, otherwise: boolean): Parameter<boolean> {
  return {
    about: `${about} (default: ${otherwise})`,
    isRequired: false,
    schema: { type: 'boolean', default: otherwise },
    read: async (text) => {
      if (text === undefined) return otherwise;
      if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
      if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false;
      throw new BadParameter('must be true or false');
    },
  };
}

/** Undefined where there is none. */
export function word(about: string): Parameter<string | undefined> {
  return { about, isRequired: false, schema: { type: 'string' }, read: async (text) => text };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
