import { canonicalHost, dockerHub } from '../../oci/docker-hub.ts';
import { parseRegistryHost, type RegistryHost } from '../../oci/reference.ts';
import type { Credential } from '../credentials.ts';

/** What Docker's config.json says of a registry, or of a part of it. */
export interface DockerConfigEntry {
  /** Which entry of the file it is. */
  readonly id: string;
  /** The repositories that it is for: those at this path and below it. Empty is all. */
  readonly path: string;
  readonly source: DockerConfigSource;
}

export type DockerConfigSource =
  | { readonly credential: Credential }
  /** `docker-credential-<helper>` is to be asked for the URL. */
  | { readonly helper: string; readonly serverUrl: string };

type Json = Readonly<Record<string, unknown>>;

/** The name under which Docker keeps its own registry. */
const hubKey = 'https://index.docker.io/v1/';

/** How a credential helper is asked for a registry. */
export function serverUrlOf(host: RegistryHost): string {
  return canonicalHost(host) === dockerHub ? hubKey : host;
}

/**
 * The entries of a registry in config.json, auth.json, or a pull secret of Kubernetes (also of the old form .dockercfg), the
 * best first: helpers, the helper for all, what the file holds itself. Throws SyntaxError or TypeError for what is no such file.
 */
export function entriesFor(host: RegistryHost, text: string): readonly DockerConfigEntry[] {
  const config = record(JSON.parse(text));
  if (config === undefined) throw new TypeError('not a mapping');
  const helpers = record(config['credHelpers']) ?? {};
  const auths = record(config['auths']) ?? (Object.values(config).some(holdsAuth) ? config : {});
  return [
    ...matching(host, Object.keys(helpers)).flatMap(({ key, path }) => {
      const serverUrl = path === '' ? serverUrlOf(host) : `${host}/${path}`;
      return helperEntry(`helper ${key}`, path, helpers[key], serverUrl);
    }),
    ...helperEntry('store', '', config['credsStore'], serverUrlOf(host)),
    ...matching(host, Object.keys(auths)).flatMap(({ key, path }) => {
      const credential = credentialIn(record(auths[key]) ?? {});
      return credential === undefined ? [] : [{ id: `auth ${key}`, path, source: { credential } }];
    }),
  ];
}

/** The entry of a repository; undefined where there is none. */
export function entryOf(
  entries: readonly DockerConfigEntry[],
  repository: string,
): DockerConfigEntry | undefined {
  return entries.find(({ path }) => path === '' || `${repository}/`.startsWith(`${path}/`));
}

function helperEntry(id: string, path: string, helper: unknown, serverUrl: string): DockerConfigEntry[] {
  if (typeof helper !== 'string' || !/^[\w.-]+$/.test(helper)) return [];
  return [{ id, path, source: { helper, serverUrl } }];
}

interface Match {
  readonly key: string;
  readonly path: string;
}

/**
 * The keys that mean this registry or a part of it, the best first: its own name before a pattern, the narrower part before
 * the wider (containers-auth.json), the longer before the shorter (the kubelet).
 */
function matching(host: RegistryHost, keys: readonly string[]): Match[] {
  const ranks = keys.flatMap((key): [rank: number[], match: Match][] => {
    const { name, path } = partsOf(key);
    if (!matches(name, canonicalHost(host))) return [];
    return [[[Number(/[*?[]/.test(name)), -path.length, -key.length], { key, path }]];
  });
  return ranks.sort(([a], [b]) => compare(a, b)).map(([, match]) => match);
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((rank, index) => rank !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

/** A key may be a host, a URL, or a host with a path; `/v1/` and `/v2/` are the API's own. */
function partsOf(key: string): { name: string; path: string } {
  const [name = '', ...path] = key.replace(/^https?:\/\//i, '').split('/');
  const below = path.filter((segment) => segment !== '').join('/');
  return { name: name.toLowerCase(), path: below === 'v1' || below === 'v2' ? '' : below };
}

/** As the kubelet: wildcards stand for a part of one label, never for a dot. */
function matches(pattern: string, host: string): boolean {
  if (!/[*?]/.test(pattern)) return hostOf(pattern) === host;
  const expression = pattern
    .split('')
    .map((char) => (char === '*' ? '[^.:]*' : char === '?' ? '[^.:]' : char.replace(/[^\w-]/, '\\$&')))
    .join('')
    // Two in a row say no more than one, and cost more.
    .replaceAll(/(?:\[\^\.:\]\*)+/g, '[^.:]*');
  return new RegExp(`^${expression}$`).test(host);
}

function hostOf(text: string): string {
  try {
    return canonicalHost(parseRegistryHost(text));
  } catch {
    return text;
  }
}

/** In the order in which they say more: a ready token, a refresh token, user and password. */
function credentialIn(entry: Json): Credential | undefined {
  const { registrytoken, identitytoken, username, password, auth } = entry;
  if (isText(registrytoken)) return { kind: 'static', authorization: `Bearer ${registrytoken}` };
  if (isText(identitytoken)) return { kind: 'refresh', token: identitytoken };
  if (isText(username) && isText(password)) return { kind: 'basic', username, password };
  const decoded = isText(auth) ? Buffer.from(auth, 'base64').toString('utf8') : '';
  const at = decoded.indexOf(':');
  if (at < 1) return undefined;
  // Some writers pad with zero bytes.
  return {
    kind: 'basic',
    username: decoded.slice(0, at),
    password: decoded.slice(at + 1).replace(/\0+$/, ''),
  };
}

function holdsAuth(value: unknown): boolean {
  const entry = record(value);
  return entry !== undefined && ('auth' in entry || 'username' in entry);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function record(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}
