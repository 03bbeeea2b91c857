import { canonicalHost, canonicalRepository } from '../oci/docker-hub.ts';
import { RegistryError } from '../oci/error.ts';
import {
  hostedHost,
  looksLikeHost,
  parseRegistryHost,
  type RegistryHost,
  type RepositoryName,
  repositoryName,
} from '../oci/reference.ts';

export interface TargetSettings {
  /** First segments that stand for a registry. */
  readonly aliases: ReadonlyMap<string, RegistryHost>;
  /** The registry of names that say nothing of one. */
  readonly defaultNs: RegistryHost | undefined;
  /** The alias that was probably meant by a first segment that is none. */
  readonly nearestAlias?: (segment: string) => string | undefined;
  /** Does a name that says nothing of a registry live here? Default: none does. */
  readonly livesHere?: ((name: string) => boolean) | undefined;
  /** How clients call this server: whoever says it has said nothing of a registry yet. */
  readonly own?: RegistryHost | undefined;
}

/** What the client said besides the path, in the order in which it counts. */
export interface NamedRegistry {
  /** `X-Registry`, the original's header. */
  readonly header: string | undefined;
  /** `?ns=` (distribution-spec "Registry Proxying"). */
  readonly ns: string | undefined;
}

/** A name that says nothing of a registry, where there is no default. */
export class NoRegistryNamed extends RegistryError {}

/**
 * Which repository a request means: the header, `?ns=`, a first segment that looks like a host, an alias, what lives here, the default; in
 * that order. A registry that is named twice, by `ns` and in the path, by its host or its alias, is not doubled. Throws
 * NAME_INVALID.
 */
export function targetOf(said: string, named: NamedRegistry, settings: TargetSettings): RepositoryName {
  const explicit = named.header ?? named.ns;
  if (explicit !== undefined && !isOwn(explicit, settings))
    return inNamespace(parseRegistryHost(explicit), said, settings);
  const name = withoutOwn(said, settings);
  const [first, rest] = split(name);
  if (looksLikeHost(first)) return below(parseRegistryHost(first), rest, name);
  const aliased = settings.aliases.get(first);
  if (aliased !== undefined) return below(aliased, rest, name);
  if (settings.livesHere?.(name) === true) return repositoryName(hostedHost, name);
  if (settings.defaultNs !== undefined) return canonicalRepository(settings.defaultNs, name);
  const meant = aliasMeant(name, named, settings);
  throw new NoRegistryNamed(
    'NAME_INVALID',
    `which registry?${meant === undefined ? '' : ` Did you mean the alias "${meant}"?`} Put its host in front of the name (/v2/docker.io/library/alpine/…), add ?ns=<host>, or configure defaultNs`,
  );
}

/** The alias that was probably meant by a name that says nothing of a registry; undefined if it says something, or none is near. */
export function aliasMeant(
  name: string,
  { header, ns }: NamedRegistry,
  { aliases, nearestAlias }: TargetSettings,
): string | undefined {
  const [first, rest] = split(name);
  const saysNothing =
    header === undefined && ns === undefined && !looksLikeHost(first) && !aliases.has(first);
  return saysNothing && rest !== '' ? nearestAlias?.(first) : undefined;
}

/**
 * BuildKit sends `ns` and the host in the path as well, containerd with `override_path` `ns` and whatever the path has: an alias.
 * One of another registry is part of the name. A repository of this registry that begins like its alias is meant by the name
 * behind the alias or the host (`hub/hub/x`): an alias means the same in all spellings, and who chose it knows the registry.
 */
function inNamespace(host: RegistryHost, name: string, { aliases }: TargetSettings): RepositoryName {
  const [first, rest] = split(name);
  const inPath = looksLikeHost(first) ? parseRegistryHost(first) : aliases.get(first);
  const isDoubled = rest !== '' && inPath !== undefined && canonicalHost(inPath) === canonicalHost(host);
  return canonicalRepository(host, isDoubled ? rest : name);
}

function below(host: RegistryHost, path: string, name: string): RepositoryName {
  if (path === '') {
    throw new RegistryError('NAME_INVALID', `"${name}" names a registry and no repository in it`);
  }
  return canonicalRepository(host, path);
}

function withoutOwn(name: string, settings: TargetSettings): string {
  const [first, rest] = split(name);
  return rest !== '' && isOwn(first, settings) ? rest : name;
}

/** However its port is written: we would be asked by ourselves then, from an address that may more than the client's. */
function isOwn(host: string, { own }: TargetSettings): boolean {
  if (own === undefined) return false;
  const name = host.toLowerCase();
  return name === own || (name.includes(':') && withoutUsualPort(name) === own);
}

function withoutUsualPort(host: string): string {
  return host.replace(/:0*([0-9]+)$/, (_, port: string) => (port === '443' ? '' : `:${port}`));
}

function split(name: string): [first: string, rest: string] {
  const slash = name.indexOf('/');
  return slash === -1 ? [name, ''] : [name.slice(0, slash), name.slice(slash + 1)];
}
