import type * as z from 'zod';
import { type KeyState, keyMeta } from '../config/key.ts';
import { configSchema } from '../config/schema.ts';
import { defaultOf, itemOf, keysOf } from '../config/schema-tree.ts';
import { code, generated, page, plain, table } from './markdown.ts';

const states: Readonly<Record<KeyState, string>> = {
  built: '',
  accepted: ' *Accepted, without effect.*',
  ignored: ' *Not built yet: named in a warning.*',
  refused: ' *Not built yet: stops the start.*',
};

export function configurationPage(): string {
  return page(
    '# Configuration',
    generated,
    'One YAML file, given by `--config-file`. [`config.example.yaml`](../../config.example.yaml) shows every key that works, with more words; [`config/ociregistry.schema.json`](../../config/ociregistry.schema.json) is for editors; `ociregistry check-config` says what is wrong, with line and column. A key that does not exist is an error.',
    'Durations: `500ms` `30s` `5m` `12h` `7d` `1h30m`. Sizes: `64MiB` `10GB`. Patterns are globs on the full name, host first, with a tag part after the last colon: `docker.io/library/*`, `**:v*`. A secret stands in a file (`…File`, read again after a change) or in an environment variable (`…FromEnv`); only the original’s `password` and `static` may stand in the file itself.',
    'Keys that are not built yet are accepted, so that one file serves several versions; where ignoring one would open a door or misplace data, the start stops.',
    ...sections(configSchema, ''),
  );
}

/** A table for the keys of a group, then one for each group in it. */
function sections(schema: z.ZodType, path: string): string[] {
  const keys = [...keysOf(schema)].filter(([, key]) => mayStand(key));
  const rows = keys.map(([name, key]) => [code(name), typeOf(key), shownDefault(key), meaningOf(key)]);
  return [
    `## ${path === '' ? 'Top level' : path}`,
    table(['Key', 'Value', 'Default', 'Meaning'], rows),
    ...keys.flatMap(([name, key]) => below(key, path === '' ? name : `${path}.${name}`)),
  ];
}

function below(key: z.ZodType, path: string): string[] {
  const item = itemOf(key);
  if (item !== undefined && keysOf(item).size > 0) return sections(item, `${path}[]`);
  return keysOf(key).size > 0 ? sections(key, path) : [];
}

function meaningOf(key: z.ZodType): string {
  const { about = '', state = 'built' } = keyMeta(key) ?? {};
  return `${plain(about)}.${states[state]}`;
}

/** What no value is: it makes every key say what it takes. */
const nothing = Symbol('nothing');

/** As the message about a wrong value says it. */
function typeOf(key: z.ZodType): string {
  const message = messageOf(key);
  return plain(message.replace(/^must be /, '').replace(/, not nothing$/, ''));
}

/** A secret whose text has no place in the file takes nothing. */
function mayStand(key: z.ZodType): boolean {
  return !messageOf(key).startsWith('must not stand in the file');
}

function messageOf(key: z.ZodType): string {
  return key.safeParse(nothing).error?.issues[0]?.message ?? '';
}

function shownDefault(key: z.ZodType): string {
  const value = defaultOf(key);
  if (value === undefined || value === '' || keysOf(key).size > 0) return '';
  return code(typeof value === 'string' ? value : JSON.stringify(value));
}
