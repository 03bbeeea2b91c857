import type { RegistryConfig } from '../config/schema.ts';
import { parseRegistryHost, type RegistryHost } from '../oci/reference.ts';
import type { UpstreamSettings } from '../upstream/upstream.ts';

export type MirrorAddress = Pick<UpstreamSettings, 'host' | 'scheme' | 'mirror'>;

/**
 * Where a mirror's API is, by its URL in `endpoints`, and the entry under `registries` that is about the same origin: no other's
 * credentials are for it. A path is a prefix of the repositories: `https://h/proxy` and `https://h/v2/proxy` are
 * `https://h/v2/proxy/library/alpine/…`; one that names `v2` itself is taken as it is: `https://h/docker/v2`.
 */
export function mirrorPlace(
  text: string,
  of: RegistryHost,
  registries: readonly RegistryConfig[],
): MirrorAddress & { readonly registry: RegistryConfig | undefined } {
  const url = new URL(text);
  const path = url.pathname.replace(/\/+$/, '');
  return {
    host: parseRegistryHost(url.host),
    scheme: url.protocol === 'https:' ? 'https' : 'http',
    mirror: { path: path.split('/').includes('v2') ? path : `/v2${path}`, of },
    registry: registries.find(({ scheme, name }) => new URL(`${scheme}://${name}`).origin === url.origin),
  };
}
