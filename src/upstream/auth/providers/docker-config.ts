import { canonicalHost, dockerHub } from '../../../oci/docker-hub.ts';
import { parseRegistryHost, type RegistryHost } from '../../../oci/reference.ts';
import type { Credential } from '../credentials.ts';

/** What Docker's config.json says of a registry. */
export type DockerConfigEntry = { readonly key: string } & (
  | { readonly credential: Credential }
  /** `docker-credential-<helper>` is to be asked. */
  | { readonly helper: string }
);

type Json = Readonly<Record<string, unknown>>;

/** The name under which Docker keeps its own registry. */
const hubKey = 'https://index.docker.io/v1/';

/** How a credential helper is asked for a registry. */
export function serverUrlOf(host: RegistryHost): string {
  return canonicalHost(host) === dockerHub ? hubKey : host;
}

/**
 * The entry of a registry in config.json, auth.json, or a pull secret of Kubernetes (also of the old form .dockercfg).
 * Undefined: there is none. Throws SyntaxError or TypeError for what is no such file.
 */
export function entryFor(host: RegistryHost, text: string): DockerConfigEntry | undefined {
  const config = record(JSON.parse(text));
  if (config === undefined) throw new TypeError('not a mapping');
  const helpers = record(config['credHelpers']) ?? {};
  const [helperKey] = matching(host, Object.keys(helpers));
  const helper = (helperKey === undefined ? undefined : helpers[helperKey]) ?? config['credsStore'];
  if (typeof helper === 'string' && /^[\w.-]+$/.test(helper))
    return { helper, key: helperKey ?? 'credsStore' };
  const auths = record(config['auths']) ?? (Object.values(config).some(holdsAuth) ? config : {});
  for (const key of matching(host, Object.keys(auths))) {
    const credential = credentialIn(record(auths[key]) ?? {});
    if (credential !== undefined) return { credential, key };
  }
  return undefined;
}

/**
 * The keys that mean this registry, the best first: its own name before a pattern, the whole registry before a part of
 * it, the longer before the shorter.
 */
function matching(host: RegistryHost, keys: readonly string[]): string[] {
  const ranks = keys.flatMap((key): [rank: number[], key: string][] => {
    const { name, path } = partsOf(key);
    if (!matches(name, canonicalHost(host))) return [];
    return [[[Number(/[*?[]/.test(name)), Number(path !== ''), -key.length], key]];
  });
  return ranks.sort(([a], [b]) => compare(a, b)).map(([, key]) => key);
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
