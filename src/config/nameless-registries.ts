import type { Config } from './schema.ts';

/**
 * One line for each registry with a port and without an alias. `host:port` is no part of a repository's name in any client's grammar,
 * so whoever puts the registry into the path (Podman, CRI-O, skopeo, crane) cannot name it; containerd and BuildKit name it by `ns`.
 * Nobody need name the default registry, or a mirror.
 */
export function namelessRegistries({ registries, defaultNs }: Config): string[] {
  const mirrors = new Set(registries.flatMap(({ endpoints }) => endpoints.map((url) => new URL(url).host)));
  return registries
    .filter(({ name, alias }) => name.includes(':') && alias === '')
    .filter(({ name }) => name !== defaultNs && !mirrors.has(name))
    .map(
      ({ name }) =>
        `registries: ${name} has a port and no alias: Podman, CRI-O, skopeo and crane refuse a name with a port in its path`,
    );
}
