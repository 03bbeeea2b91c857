import { canonicalHost, dockerHub } from './docker-hub.ts';
import {
  hostOf,
  isHosted,
  looksLikeHost,
  parseRegistryHost,
  pathOf,
  type RegistryHost,
  type RepositoryName,
  shownName,
} from './reference.ts';

/** A name, without a port: what most registries are called. Addresses end in a number, be it one as 0x7f. */
const plainHost = /\.[a-z][a-z0-9-]*$/;
/** An IPv4 address as URLs have it that is written as IPv6 (RFC 4291 section 2.5.5.2). */
const mapped = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]/;
const usualPort = ':443';

/**
 * A registry by the one name that rules have for it, however it is written: an address as URLs have it (`127.1`, `[0::1]`), without the usual port and zeros in front
 * of a port, Docker Hub by `docker.io`. One that only its port tells from the beginning of a name that lives here has it always: `team:443`.
 */
export function judgedHost(host: RegistryHost): RegistryHost {
  if (plainHost.test(host)) return canonicalHost(host);
  // Without the port 443.
  const { host: written } = new URL(`https://${host}`);
  const judged = written.replace(mapped, (_, high: string, low: string) => ipv4Of(high, low));
  return looksLikeHost(judged)
    ? canonicalHost(judged as RegistryHost)
    : ((judged + usualPort) as RegistryHost);
}

/**
 * A repository by the one name that rules, tokens and policies have for it: else whoever writes it otherwise goes round them. What lies in the cache is called
 * as it was asked for.
 */
export function judgedRepository(repository: RepositoryName): RepositoryName {
  if (isHosted(repository)) return repository;
  const host = hostOf(repository);
  const judged = judgedHost(host);
  if (judged === host) return repository;
  const path = pathOf(repository);
  return `${judged}/${judged === dockerHub && !path.includes('/') ? 'library/' : ''}${path}` as RepositoryName;
}

/** As rules name it: what lives here has no registry in front. */
export function judgedName(repository: RepositoryName): string {
  return shownName(judgedRepository(repository));
}

/** A glob of names, with its registry as names are judged, where that is written out. */
export function judgedGlob(glob: string): string {
  const slash = glob.indexOf('/');
  if (slash === -1) return glob;
  const first = glob.slice(0, slash);
  const host = hostIn(first);
  // Brackets are of an address here, and of no choice of characters.
  return (host?.replace(/[[\]]/g, '\\$&') ?? withoutZeros(first)) + glob.slice(slash);
}

/** The registry that the first part of a glob writes out; undefined: it is a pattern, or none. */
export function hostIn(first: string): RegistryHost | undefined {
  if (!looksLikeHost(first) || /[*?\\]/.test(first)) return undefined;
  try {
    return judgedHost(parseRegistryHost(first));
  } catch {
    return undefined;
  }
}

function withoutZeros(first: string): string {
  return first.replace(/:0+([0-9]+)$/, ':$1');
}

function ipv4Of(high: string, low: string): string {
  const [one, other] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [one >> 8, one & 255, other >> 8, other & 255].join('.');
}
