import { RegistryError } from './error.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/**
 * A repository with the host of its registry in front: `docker.io/library/alpine`, `[::1]:5000/a/b`.
 * Parsed at the edge, trusted inside.
 */
export type RepositoryName = Branded<'RepositoryName'>;
/** A registry's host with its port if it has one, in lower case: `ghcr.io`, `localhost:5000`, `[::1]:5000`. */
export type RegistryHost = Branded<'RegistryHost'>;
export type Tag = Branded<'Tag'>;
export type Digest = Branded<'Digest'>;
/** The specification's `<reference>`: a tag or a digest. A tag cannot hold a colon, so the two never mix. */
export type Reference = Tag | Digest;

/** What an image is called. */
export interface ImageName {
  readonly repository: RepositoryName;
  readonly reference: Reference;
}

/** As it stands in a list of images: `host/repository:tag`, `host/repository@digest`; of what lives here without a host. */
export function imageText({ repository, reference }: ImageName): string {
  return `${shownName(repository)}${isDigest(reference) ? '@' : ':'}${reference}`;
}

/**
 * Stands in front of the names of repositories that live here, which have no host for anybody else: no registry is called so (RFC 2606 section 2), and
 * {@link parseRegistryHost} takes it from nobody.
 */
export const hostedHost = 'hosted.invalid' as RegistryHost;
const hostedPrefix = `${hostedHost}/`;

/** Does it live here, and is cached from nowhere? */
export function isHosted(repository: RepositoryName): boolean {
  return repository.startsWith(hostedPrefix);
}

/** As people call it. */
export function shownName(repository: RepositoryName): string {
  return isHosted(repository) ? repository.slice(hostedPrefix.length) : repository;
}

/** The same of an image's name, as it stands in a bundle. */
export function shownImage(name: string): string {
  return name.startsWith(hostedPrefix) ? name.slice(hostedPrefix.length) : name;
}

/** As people call a registry, in lists and logs. */
export function shownHost(host: RegistryHost): string {
  return host === hostedHost ? 'hosted' : host;
}

/** Clients limit a name with its host to 255 characters (distribution-spec, "Pulling manifests"). */
const maxNameLength = 255;
const pathPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const hostPattern =
  /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)(?::[0-9]{1,5})?$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
/** The image-spec's grammar; only the two registered algorithms are accepted, with the right length. */
const hexLengths: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** `host/path`, both checked. Throws NAME_INVALID. */
export function repositoryName(host: RegistryHost, path: string): RepositoryName {
  const name = `${host}/${path}`;
  if (name.length > maxNameLength) {
    throw new RegistryError('NAME_INVALID', `repository name is longer than ${maxNameLength} characters`);
  }
  if (!pathPattern.test(path)) {
    throw new RegistryError('NAME_INVALID', `invalid repository name ${shown(path)}`);
  }
  return name as RepositoryName;
}

/** Also good in a URL, which `[1:2]` and `1.2.3.999` are not. Throws NAME_INVALID. */
export function parseRegistryHost(text: string): RegistryHost {
  const host = text.toLowerCase();
  const port = /:([0-9]+)$/.exec(host)?.[1];
  if (
    isReserved(host) ||
    host.length > maxNameLength ||
    !hostPattern.test(host) ||
    (port !== undefined && !isPort(Number(port))) ||
    !URL.canParse(`https://${host}`)
  ) {
    throw new RegistryError('NAME_INVALID', `invalid registry host ${shown(text)}`);
  }
  return host as RegistryHost;
}

/** As container clients decide it: a dot, a port, an IPv6 literal, or `localhost`. */
export function looksLikeHost(segment: string): boolean {
  return segment.includes('.') || segment.includes(':') || segment === 'localhost';
}

/** For lists that nobody vouches for: an error thrown for each entry takes seconds for some megabytes of them. */
export function isTagText(text: string): text is Tag {
  return tagPattern.test(text);
}

/** Throws MANIFEST_INVALID. */
export function parseTag(text: string): Tag {
  if (!isTagText(text)) throw new RegistryError('MANIFEST_INVALID', `invalid tag ${shown(text)}`);
  return text;
}

/** As {@link isTagText}. */
export function isDigestText(text: string): text is Digest {
  const colon = text.indexOf(':');
  const hex = text.slice(colon + 1);
  return colon > 0 && hexLengths[text.slice(0, colon)] === hex.length && /^[0-9a-f]+$/.test(hex);
}

/** Throws DIGEST_INVALID. */
export function parseDigest(text: string): Digest {
  if (isDigestText(text)) return text;
  throw new RegistryError(
    'DIGEST_INVALID',
    `invalid digest ${shown(text)}: want sha256:<64 hex> or sha512:<128 hex>`,
  );
}

/** Throws DIGEST_INVALID for what holds a colon, MANIFEST_INVALID for what is no tag. */
export function parseReference(text: string): Reference {
  return text.includes(':') ? parseDigest(text) : parseTag(text);
}

export function isDigest(reference: Reference): reference is Digest {
  return reference.includes(':');
}

/** The registry's host: what stands before the first slash. */
export function hostOf(repository: RepositoryName): RegistryHost {
  return repository.slice(0, repository.indexOf('/')) as RegistryHost;
}

/** The name as the registry itself knows it: what stands behind the first slash. */
export function pathOf(repository: RepositoryName): string {
  return repository.slice(repository.indexOf('/') + 1);
}

function isReserved(host: string): boolean {
  return host === hostedHost || host.startsWith(`${hostedHost}:`);
}

function isPort(port: number): boolean {
  return port > 0 && port < 65536;
}

/** Client text in a message: quoted, bounded, control characters escaped. */
function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** Of what a repository has by digest, in memories of all repositories. */
export function contentKey(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`;
}
