import { isIP } from 'node:net';
import type * as z from 'zod';
import { keyMeta, notYet } from '../config/key.ts';
import { configSchema } from '../config/schema.ts';
import { defaultOf, keysOf, takesFlag } from '../config/schema-tree.ts';
import { choice, duration, size, whole } from '../config/values.ts';
import { defaultParallel, maxParallel } from '../load/parallel.ts';
import { type Platform, parsePlatform } from '../oci/platform.ts';
import { parseRegistryHost, type RegistryHost } from '../oci/reference.ts';
import { parseDuration, parseSize } from '../values/units.ts';

/** A flag of the command line. */
export interface Flag {
  /** Without dashes: `image-path`. */
  readonly name: string;
  readonly about: string;
  readonly takesValue: boolean;
  /** The value as the configuration's schema takes it. Throws an Error that says what must stand there. */
  readonly parse: (text: string) => unknown;
  /** May it stand there several times? Then what is parsed are lists, which are put together. */
  readonly isRepeated?: true;
}

const { shape } = configSchema;
/** A tar of no blobs has some kilobytes. */
const leastChunk = 1024 * 1024;

/** Before the command, or after it. */
export const globalFlags: readonly Flag[] = [
  ofKey('logLevel'),
  ofKey('configFile'),
  ofKey('imagePath'),
  ofKey('logFile'),
];

/** Does what the command `version` does, wherever it stands. */
export const versionFlag = { name: 'version', notation: '-v, --version', about: 'Print the version' };

export const serveFlags: readonly Flag[] = [
  ofKey('preloadImages'),
  ofKey('port'),
  ofKey('os'),
  ofKey('arch'),
  ofKey('pullTimeout'),
  ofKey('health'),
  ofKey('metrics'),
  ofKey('alwaysPullLatest'),
  ofKey('helloWorld'),
  ofKey('airGapped'),
  ofKey('defaultNs'),
  ofKey('host'),
];

export const loadFlags: readonly Flag[] = [
  ofKey('imageFile'),
  ofKey('resolveRef'),
  ofKey('os'),
  ofKey('arch'),
  ofKey('pullTimeout'),
  platformFlag('that of os and arch, else all'),
  {
    name: 'referrers',
    about: 'also load what refers to the images: signatures, attestations, SBOMs (default: false)',
    takesValue: false,
    parse: (text) => text,
  },
  {
    name: 'parallel',
    about: `so many images of lists at a time (default: ${defaultParallel})`,
    takesValue: true,
    parse: parallel,
  },
  outputFlag('text', 'json'),
];

export const listFlags: readonly Flag[] = [
  inGroup('listConfig', 'header', 'header'),
  inGroup('listConfig', 'expr', 'pattern'),
  inGroup('listConfig', 'shortDigest', 'short-digest'),
  {
    name: 'wide',
    about:
      'also the registry, whether the tag is pinned, what removing the image would free, and how many of its blobs are missing (default: false)',
    takesValue: false,
    parse: (text) => text,
  },
  outputFlag('table', 'json'),
];

export const wantedFlags: readonly Flag[] = [outputFlag('text', 'json')];

export const pinFlags: readonly Flag[] = [outputFlag('text', 'json')];

export const refreshFlags: readonly Flag[] = [ofKey('pullTimeout'), outputFlag('text', 'json')];
export const exportFlags: readonly Flag[] = [
  {
    name: 'pattern',
    about:
      'Only images whose name, host/repository:tag, one of these regular expressions matches, with commas between them; may be repeated (default: all)',
    takesValue: true,
    isRepeated: true,
    parse: (text) => [text],
  },
  platformFlag('what is cached of it'),
  {
    name: 'chunk-size',
    about: 'Split the bundle into tars of about this size, such as 4GB, each a tar by itself (default: one)',
    takesValue: true,
    parse: chunkSize,
  },
  {
    name: 'since',
    about:
      'Leave out what an earlier bundle has: its folder, its tar or its list, bundle.json (default: none)',
    takesValue: true,
    parse: (text) => text,
  },
  {
    name: 'used-since',
    about:
      'Only images that were served, or loaded, since: 7d, or YYYY-MM-DDTHH:MM:SS in local time (default: whenever)',
    takesValue: true,
    parse: momentOrAge,
  },
  {
    name: 'wanted',
    about:
      'Only the images of this list, as ociregistry wanted prints it; they are loaded first; - is standard input (default: none)',
    takesValue: true,
    parse: (text) => text,
  },
  outputFlag('text', 'json'),
];

export const importFlags: readonly Flag[] = [
  {
    name: 'as',
    about:
      'The registry that a directory of zot or distribution stands for, such as docker.io (default: none)',
    takesValue: true,
    parse: registry,
  },
  platformFlag('what is there of it'),
  outputFlag('text', 'json'),
];

export const pruneFlags: readonly Flag[] = [
  {
    ...inGroup('pruneConfig', 'expr', 'pattern'),
    about:
      'Only images whose name, host/repository:tag, one of these regular expressions matches, with commas between them (default: all)',
  },
  {
    name: 'date',
    about: 'Only what was first cached before: YYYY-MM-DDTHH:MM:SS in local time (default: whenever)',
    takesValue: true,
    parse: localTime,
  },
  {
    name: 'not-used-for',
    about: 'Only what was not pulled for so long, such as 30d (default: whenever)',
    takesValue: true,
    parse: (text) => meaningOf(duration(), text),
  },
  {
    name: 'keep',
    about:
      'Of each repository so many tags stay, those that came last; what has no tag is not among them (default: none)',
    takesValue: true,
    parse: (text) => meaningOf(whole(1, 1_000_000), text),
  },
  {
    ...inGroup('pruneConfig', 'dryRun', 'dry-run'),
    about: 'Only say what would be removed, and how much it would free (default: false)',
  },
  outputFlag('text', 'json'),
];

export const verifyFlags: readonly Flag[] = [
  {
    name: 'repair',
    about: 'fetch again what is wrong or missing (default: false)',
    takesValue: false,
    parse: (text) => text,
  },
  {
    name: 'rebuild',
    about:
      'before, make known what index.json and the manifests have and the index lacks, and remove files that no image leads to (default: false)',
    takesValue: false,
    parse: (text) => text,
  },
  {
    name: 'rate',
    about: 'read so many bytes a second, such as 50MiB (default: as fast as it goes)',
    takesValue: true,
    parse: (text) => bytes(text),
  },
  outputFlag('text', 'json'),
];

export const explainAccessFlags: readonly Flag[] = [
  {
    name: 'repository',
    about:
      'What he asks for, with or without a tag or a digest: docker.io/library/alpine:3, or the name of what lives here; it must be there (default: none)',
    takesValue: true,
    parse: (text) => text,
  },
  {
    name: 'action',
    about: 'pull, push or delete (default: pull)',
    takesValue: true,
    parse: oneOf('pull', 'push', 'delete'),
  },
  {
    name: 'user',
    about: 'Who he is: a user of auth.basic (default: nobody)',
    takesValue: true,
    parse: (text) => text,
  },
  {
    name: 'client',
    about: 'A program of auth.oauth (default: none)',
    takesValue: true,
    parse: (text) => text,
  },
  {
    name: 'subject',
    about: 'Somebody by the token of an issuer, as that calls him (default: none)',
    takesValue: true,
    parse: (text) => text,
  },
  {
    name: 'issuer',
    about: 'Whose token it is (default: the one of auth.issuers, where there is one)',
    takesValue: true,
    parse: (text) => text,
  },
  {
    name: 'group',
    about: 'A group that his token says; may be repeated (default: none)',
    takesValue: true,
    isRepeated: true,
    parse: (text) => [text],
  },
  {
    name: 'claim',
    about: 'A claim of his token, as NAME=VALUE; may be repeated (default: none)',
    takesValue: true,
    isRepeated: true,
    parse: claim,
  },
  {
    name: 'certificate',
    about: 'The name in his certificate (default: none)',
    takesValue: true,
    parse: (text) => text,
  },
  { name: 'address', about: 'Where he comes from (default: nowhere)', takesValue: true, parse: address },
  outputFlag('text', 'json'),
];

export const htpasswdFlags: readonly Flag[] = [
  {
    name: 'file',
    about: 'put the line into this file, in the place of the one that the user has (default: print it)',
    takesValue: true,
    parse: (text) => text,
  },
  {
    name: 'algorithm',
    about: 'bcrypt or argon2id (default: bcrypt)',
    takesValue: true,
    parse: (text) => meaningOf(choice(['bcrypt', 'argon2id']), text),
  },
];

export const doctorFlags: readonly Flag[] = [
  outputFlag('text', 'json'),
  ofKey('pullTimeout'),
  ofKey('airGapped'),
  ofKey('defaultNs'),
];

function claim(text: string): readonly (readonly [name: string, value: string])[] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new Error('must be NAME=VALUE');
  return [[text.slice(0, equals), text.slice(equals + 1)]];
}

/** The flag of a top-level key: `pullTimeout` is `--pull-timeout`. */
function ofKey(key: keyof typeof shape): Flag {
  return ofSchema(
    key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    shape[key],
  );
}

function inGroup(group: keyof typeof shape, key: string, name: string): Flag {
  const schema = keysOf(shape[group]).get(key);
  if (schema === undefined) throw new Error(`no key ${group}.${key}`);
  return ofSchema(name, schema);
}

function ofSchema(name: string, schema: z.ZodType): Flag {
  const standard = defaultOf(schema) ?? false;
  const { about, state } = keyMeta(schema) ?? {};
  const mark = state === 'ignored' ? `; ${notYet}, and ignored` : '';
  return {
    name,
    about: `${about}${mark} (default: ${standard === '' ? 'none' : standard})`,
    takesValue: !takesFlag(schema),
    parse: (text) => parsed(schema, text),
  };
}

function bytes(text: string): number {
  const { data, error } = size().safeParse(/^[0-9]+$/.test(text) ? Number(text) : text);
  if (data === undefined) throw new Error(error.issues[0]?.message);
  return data;
}

/** A number where the key takes no text. */
function parsed(schema: z.ZodType, text: string): unknown {
  if (schema.safeParse(text).success) return text;
  const value = /^[0-9]+$/.test(text) ? Number(text) : text;
  const { error } = schema.safeParse(value);
  if (error !== undefined) throw new Error(error.issues[0]?.message);
  return value;
}

/** What a flag means that is no key. */
function meaningOf(schema: z.ZodType, text: string): unknown {
  return schema.parse(parsed(schema, text));
}

function platformFlag(standard: string): Flag {
  return {
    name: 'platform',
    about: `of an index only this platform, such as linux/arm64 or linux/arm/v7; may be repeated (default: ${standard})`,
    takesValue: true,
    isRepeated: true,
    parse: platforms,
  };
}

/** Bytes. */
function chunkSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= leastChunk) return bytes;
  throw new Error(`must be a size of 1MiB or more, such as 4GB, not ${JSON.stringify(text)}`);
}

function registry(text: string): RegistryHost {
  try {
    return parseRegistryHost(text);
  } catch {
    throw new Error(`must be a registry’s host such as docker.io, not ${JSON.stringify(text)}`);
  }
}

function platforms(text: string): Platform[] {
  return text.split(',').map((name) => {
    const platform = parsePlatform(name.trim());
    if (platform !== undefined) return platform;
    throw new Error(`must be a platform such as linux/arm64, not ${JSON.stringify(name)}`);
  });
}

function parallel(text: string): number {
  const images = Number(text);
  if (/^[0-9]+$/.test(text) && images >= 1 && images <= maxParallel) return images;
  throw new Error(`must be a number from 1 to ${maxParallel}, not ${JSON.stringify(text)}`);
}

/** The first form is the default. */
function outputFlag(...forms: readonly [string, string]): Flag {
  return {
    name: 'output',
    about: `${forms.join(' or ')} (default: ${forms[0]})`,
    takesValue: true,
    parse: oneOf(...forms),
  };
}

function oneOf(...words: readonly string[]): Flag['parse'] {
  return (text) => {
    if (words.includes(text)) return text;
    throw new Error(`must be ${words.join(' or ')}, not ${JSON.stringify(text)}`);
  };
}

function address(text: string): string {
  if (isIP(text) > 0) return text;
  throw new Error(`must be an address such as 10.0.0.1, not ${JSON.stringify(text)}`);
}

/** An age in milliseconds, or a time. */
function momentOrAge(text: string): number | Date {
  const age = parseDuration(text);
  if (age !== undefined) return age;
  try {
    return localTime(text);
  } catch {
    throw new Error(
      `must be an age such as 7d or a time such as 2026-01-31T23:59:59, not ${JSON.stringify(text)}`,
    );
  }
}

function localTime(text: string): Date {
  const time = new Date(text);
  // A date that does not exist, such as the 31st of February, would silently be another.
  const day = Number(text.slice(8, 10));
  if (
    !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(text) ||
    Number.isNaN(time.getTime()) ||
    time.getDate() !== day
  ) {
    throw new Error(`must be a time such as 2026-01-31T23:59:59, not ${JSON.stringify(text)}`);
  }
  return time;
}
