import { isIP } from 'node:net';
import * as z from 'zod';
import { parseRegistryHost, type RegistryHost } from '../oci/reference.ts';
import { kind, must, refused } from '../values/complaint.ts';
import { duration, inRange } from '../values/duration.ts';
import { namePatterns } from '../values/name-patterns.ts';
import { text } from '../values/text.ts';
import { durationPattern, parsePercent, parseSize, percentPattern, sizePattern } from '../values/units.ts';
import { secretKey } from './key.ts';
import { Secret } from './secret.ts';

export { duration } from '../values/duration.ts';
export { list, text } from '../values/text.ts';

const aliasPattern = /^(?!localhost$)(?:[a-z0-9]+(?:(?:_|__|-+)[a-z0-9]+)*)?$/;
/** The longest time that a timer of this platform can wait. */
const longestTimer = '24d';

export function flag() {
  return z.boolean({ error: must('true or false') });
}

/** Yes, no, or one of some words for more than yes. */
export function flagOr<const Words extends readonly string[]>(words: Words) {
  return z.union([z.boolean(), z.enum(words)], { error: must(`true, false or ${words.join(' or ')}`) });
}

export function whole(min: number, max: number) {
  const error = must(
    max === Number.MAX_SAFE_INTEGER
      ? `a whole number, ${min} or more`
      : `a whole number from ${min} to ${max}`,
  );
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** A number, or as many as the machine has room for. */
export function wholeOrAuto(min: number, max: number) {
  return z.union([z.literal('auto'), whole(min, max)], {
    error: must(`auto or a whole number from ${min} to ${max}`),
  });
}

export function port() {
  return whole(0, 65_535);
}

/** One of some words; the empty word, where it is one, is not worth mentioning. */
export function choice<const Words extends readonly string[]>(words: Words) {
  return z.enum(words, { error: must(oneOf(words)) });
}

/** The same, with the empty word for the usual one, as in the original. */
export function choiceOr<const Usual extends string, const Others extends readonly string[]>(
  usual: Usual,
  others: Others,
) {
  return choice([usual, ...others, '']).transform(
    (word) => (word === '' ? usual : word) as Usual | Others[number],
  );
}

/** One of some words in any case, as the original reads them. */
export function choiceInAnyCase<const Words extends readonly string[]>(words: Words) {
  const error = must(oneOf(words));
  const pattern = new RegExp(`^(?:${words.map(inAnyCase).join('|')})$`);
  return z
    .string({ error })
    .regex(pattern, { error })
    .transform((word) => words.find((usual) => usual.toLowerCase() === word.toLowerCase()) as Words[number]);
}

/** A duration that something waits for by a timer. */
export function timeout(min = '1ms') {
  return duration({ min, max: longestTimer });
}

/** The original's `pullTimeout`: a number is milliseconds. */
export function millisecondsOrDuration() {
  const error = must('a number of milliseconds or a duration such as 30s');
  return z
    .union([z.string().regex(durationPattern, { error }), z.int().min(0, { error })], { error })
    .transform((value, context) => inRange(value, { min: '1ms', max: longestTimer }, error, context));
}

/** How long a cached tag is served without asking upstream. */
export function freshness() {
  const error = must('immutable, always or a duration such as 5m');
  return z
    .union([z.enum(['immutable', 'always']), z.string().regex(durationPattern, { error }), z.literal(0)], {
      error,
    })
    .transform((value, context) =>
      value === 'immutable' || value === 'always' ? value : inRange(value, {}, error, context),
    );
}

/** Bytes. */
export function size() {
  const error = must('a size such as 64MiB, 10GB or a number of bytes');
  return z
    .union([z.string().regex(sizePattern, { error }), z.int().min(0, { error })], { error })
    .transform((value, context) => {
      const bytes = typeof value === 'number' ? value : parseSize(value);
      return bytes ?? refused(error, value, context);
    });
}

/** Bytes, or a share of the file system. */
export function sizeOrPercent() {
  const error = must('a size such as 10GiB or a share such as 5%');
  return z
    .union(
      [
        z.string().regex(sizePattern, { error }),
        z.string().regex(percentPattern, { error }),
        z.int().min(0, { error }),
      ],
      { error },
    )
    .transform((value, context) => {
      if (typeof value === 'number') return value;
      const percent = parsePercent(value);
      return (percent === undefined ? parseSize(value) : { percent }) ?? refused(error, value, context);
    });
}

/** A registry's host with its port if it has one, in lower case. */
export function registryHost() {
  const error = must(
    'a host with an optional port, without scheme or path, such as ghcr.io or localhost:5000',
  );
  return z
    .string({ error })
    .transform(
      (value, context): RegistryHost =>
        attempt(() => parseRegistryHost(value)) ?? refused(error, value, context),
    );
}

/** The same, or nothing. */
export function registryHostOrNone() {
  return z.union([z.literal(''), registryHost()], {
    error: must('a host with an optional port, without scheme or path, such as docker.io'),
  });
}

/** A registry's short name: one segment of a path that cannot be a host, or nothing. */
export function alias() {
  const error = must('a name that cannot be a host: lower-case letters and digits with - or _ between them');
  return z.string({ error }).regex(aliasPattern, { error }).max(255, { error });
}

/** An address to listen on. */
export function bindAddress() {
  return checked(
    'an IP address or a host name',
    (value) => isIP(value) > 0 || /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/.test(value),
  );
}

/** A block of addresses: `10.0.0.0/8`, `fd00::/8`, or one address. */
export function addressBlock() {
  return checked('an address or a block of addresses such as 10.0.0.0/8', (value) => {
    const [address = '', bits = '0', ...rest] = value.split('/');
    const most = isIP(address) === 6 ? 128 : 32;
    return isIP(address) > 0 && rest.length === 0 && /^[0-9]{1,3}$/.test(bits) && Number(bits) <= most;
  });
}

/** An http or https URL without user, query and fragment. It may be written with a password, so it is not shown. */
export function httpUrl() {
  return checked('an http or https URL without user, query and fragment', isPlainUrl, false);
}

/** The same without a slash at the end, or nothing. */
export function baseUrlOrNone() {
  const error = 'must be an http or https URL without user, query and fragment';
  return z
    .string({ error })
    .refine((value) => value === '' || isPlainUrl(value), { error })
    .transform((value) => value.replace(/\/+$/, ''));
}

/** An http or https URL without user and fragment. All of it may be a secret: it is not shown. */
export function hookUrl() {
  return checked('an http or https URL without user and fragment', isHookUrl, false);
}

/** Where a user goes back to from a login page (RFC 8252 section 7): by https, on his own machine by http, or to a program that the scheme names. */
export function redirectUri() {
  return checked(
    'an https URL, an http URL of 127.0.0.1, [::1] or localhost, or a URI such as com.example.app:/back, without user and fragment',
    isRedirectUri,
  );
}

/** A mirror of a registry: an http or https URL whose host could stand in front of image names. */
export function endpoint() {
  const holds = (value: string): boolean =>
    isPlainUrl(value) && attempt(() => parseRegistryHost(new URL(value).host)) !== undefined;
  return checked('an http or https URL without user, query and fragment', holds, false);
}

/** A proxy, or nothing. The URL may hold a password: it is not shown. */
export function proxyUrl() {
  const error = 'must be an http or https URL such as http://proxy.example.com:3128';
  return z.string({ error }).transform((value, context): Secret | undefined => {
    if (value === '') return undefined;
    if (/^socks/i.test(value)) {
      return refused(() => 'must be an http or https proxy: SOCKS is not supported', undefined, context);
    }
    return isProxyUrl(value) ? new Secret(value) : refused(() => error, undefined, context);
  });
}

/** What is reached without a proxy. Part of a URL would cover nothing. */
export function proxyException() {
  return checked(
    '*, a host, .suffix, an address or a block of addresses, with a port or without',
    (value) => /^[^\s,/@]+$/.test(value) || isBlock(value),
    false,
  );
}

/** A token server: a host or an origin, as URLs print them. */
export function realm() {
  const error = must('a host such as auth.example.com or an origin such as https://auth.example.com');
  return z
    .string({ error })
    .transform((value, context) => normalRealm(value) ?? refused(error, value, context));
}

/** A glob on the full repository name, with a tag part after the last colon behind the last slash. */
export function pattern() {
  return text({ min: 1 }).max(1024, { error: 'must not be longer than 1024 characters' });
}

/** Regular expressions with commas between them, in the original's notation. */
export function regularExpressions() {
  return z
    .string({ error: must('regular expressions with commas between them') })
    .superRefine((value, context) => {
      try {
        namePatterns(value);
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      }
    });
}

export function group<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, { error: ({ input }) => `must be a mapping of keys, not ${kind(input)}` });
}

/** Whatever the original takes; not looked into. */
export function anyMapping() {
  return z.record(z.string(), z.unknown(), {
    error: ({ input }) => `must be a mapping of keys, not ${kind(input)}`,
  });
}

/** A token provider's options: the original's `key=value,…`, or a mapping. */
export function providerOptions() {
  return z.union([z.string(), z.record(z.string(), z.unknown())], {
    error: 'must be text key=value,… or a mapping',
  });
}

/** The keys for one secret. A literal may stand in the file only where the original has it so. */
export function secretKeys<const Name extends string>(name: Name, about: string, literal?: 'literal') {
  const value =
    literal === undefined
      ? z.never({ error: `must not stand in the file: use ${name}FromEnv or ${name}File` })
      : text();
  const keys = {
    [name]: secretKey(
      about,
      value.transform((secret: string) => (secret === '' ? undefined : new Secret(secret))).optional(),
      { name, from: 'literal' },
    ),
    [`${name}FromEnv`]: secretKey(`${about}: the environment variable that holds it`, text().prefault(''), {
      name,
      from: 'environment',
    }),
    [`${name}File`]: secretKey(`${about}: the file that holds it`, text().prefault(''), {
      name,
      from: 'file',
    }),
  };
  return keys as SecretKeys<Name>;
}

type SecretKeys<Name extends string> = {
  [K in Name]: z.ZodOptional<z.ZodType<Secret | undefined, string>>;
} & { [K in `${Name}FromEnv` | `${Name}File`]: z.ZodPrefault<z.ZodString> };

function checked(be: string, holds: (value: string) => boolean, show = true) {
  const error = show ? must(be) : `must be ${be}`;
  return z.string({ error }).refine(holds, { error });
}

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

function isPlainUrl(value: string): boolean {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return false;
  const { username, password, search, hash } = new URL(value);
  return username === '' && password === '' && search === '' && hash === '';
}

function isRedirectUri(value: string): boolean {
  if (!/^[\x21-\x7E]+$/.test(value) || /["<>\\^`{|}#*]/.test(value) || !URL.canParse(value)) return false;
  const { protocol, hostname, username, password } = new URL(value);
  if (username !== '' || password !== '') return false;
  if (protocol === 'https:') return /^https:\/\//.test(value) && isHostText(hostname);
  if (protocol === 'http:') return /^http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost)(?:[:/?]|$)/.test(value);
  // A name turned round, so that it is somebody's (RFC 8252 section 7.1).
  return /^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:$/.test(protocol);
}

function isHostText(hostname: string): boolean {
  return /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])$/.test(hostname);
}

function isHookUrl(value: string): boolean {
  return isPlainUrl(value.replace(/\?[^#]*$/, ''));
}

/** A block of addresses: an address with the length of its prefix. */
function isBlock(value: string): boolean {
  const [address = '', bits = '', ...more] = value.split('/');
  const version = isIP(address);
  return (
    version !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128) && more.length === 0
  );
}

/** With user and password, where they can be decoded. */
function isProxyUrl(value: string): boolean {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return false;
  const { username, password, pathname, search, hash } = new URL(value);
  const userinfo = attempt(() => decodeURIComponent(username) + decodeURIComponent(password));
  return userinfo !== undefined && `${pathname}${search}${hash}` === '/';
}

function normalRealm(value: string): string | undefined {
  if (!value.includes('://')) return attempt(() => new URL(`https://${parseRegistryHost(value)}`).host);
  return isPlainUrl(value) && new URL(value).pathname === '/' ? new URL(value).origin : undefined;
}

function inAnyCase(word: string): string {
  return word.replace(/[a-z]/gi, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`);
}

function oneOf(words: readonly string[]): string {
  const named = words.filter((word) => word !== '');
  return named.length === 1 ? (named[0] ?? '') : `${named.slice(0, -1).join(', ')} or ${named.at(-1)}`;
}
