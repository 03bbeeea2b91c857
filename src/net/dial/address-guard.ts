import { LRUCache } from 'lru-cache';
import { RegistryError } from '../../oci/error.ts';
import { classifyAddress, knownAddress } from './address.ts';
import type { AddressRule } from './address-rule.ts';

/** Which registries may be asked that the configuration does not name. */
export type UnknownRegistries = 'public' | 'none' | 'any';

export interface GuardSettings {
  /** What it is, in words. Default: `registry`. */
  readonly what?: string | undefined;
  /** As the user writes it: host, with the port if it has one. */
  readonly host: string;
  readonly origin: URL;
  /** Is exactly this host and port under `registries`? */
  readonly configured: boolean;
  readonly unknownRegistries: UnknownRegistries;
  /** Told of an address that a name has and that is refused: whoever asked is not, since it may be an internal one. */
  readonly onRefusal?: ((url: URL, address: string) => void) | undefined;
}

/** Of a registry, its token server and where it redirects to. */
const maxHostnames = 16;

/**
 * Decides which addresses one upstream may make this process connect to, so that it is no relay into the
 * internal network: the registry's own by configuration, those of redirects and token servers by rule.
 * All its refusals are DENIED (403).
 */
export class AddressGuard implements AddressRule {
  readonly #settings: GuardSettings;
  readonly #registry: string;
  /** What the names that were asked lately spell: to read one takes longer than all else that is looked at before a request. */
  readonly #addresses = new LRUCache<string, { readonly address: string | undefined }>({ max: maxHostnames });
  #registryIsPrivate = false;

  constructor(settings: GuardSettings) {
    this.#settings = settings;
    this.#registry = settings.origin.origin;
  }

  /** Before a request: the registry itself, and an address that needs no resolving. A proxy that resolves the others is not ours to check. */
  checkUrl(url: URL): void {
    const { configured, unknownRegistries } = this.#settings;
    if (!configured && unknownRegistries === 'none' && this.isRegistry(url)) {
      throw this.#denied(`registry "${this.#settings.host}" is not configured`);
    }
    const address = this.#addressIn(url.hostname);
    if (address !== undefined) this.allowed(url, [address]);
  }

  /** Before a connection: those of a name's addresses that may be connected to. Throws if that is none. */
  allowed(url: URL, addresses: readonly string[]): readonly string[] {
    const allowed = addresses.filter((address) => this.#allows(url, address));
    const refused = addresses[0];
    if (allowed.length > 0 || refused === undefined) return allowed;
    this.#settings.onRefusal?.(url, refused);
    throw this.#refusal(url);
  }

  /** After a connection: where the registry itself turned out to be decides where it may redirect to. */
  connected(url: URL, address: string): void {
    if (this.isRegistry(url)) this.#registryIsPrivate = classifyAddress(address) === 'private';
  }

  isRegistry(url: URL): boolean {
    return url.origin === this.#registry;
  }

  #addressIn(hostname: string): string | undefined {
    const known = this.#addresses.get(hostname) ?? { address: knownAddress(hostname) };
    this.#addresses.set(hostname, known);
    return known.address;
  }

  #allows(url: URL, address: string): boolean {
    const { configured, unknownRegistries } = this.#settings;
    if (configured && this.isRegistry(url)) return true;
    const kind = classifyAddress(address);
    if (kind !== 'private') return kind === 'public';
    if (this.isRegistry(url)) return unknownRegistries === 'any';
    return this.#registryIsPrivate && (configured || unknownRegistries === 'any');
  }

  /** Names no address but one that the URL spells. */
  #refusal(url: URL): RegistryError {
    const { what = 'registry', host } = this.#settings;
    if (this.isRegistry(url)) {
      return this.#denied(`registry "${host}" is not configured and its address is not public`);
    }
    return new RegistryError(
      'DENIED',
      `${what} "${host}" refers to ${url.origin}, whose address is not public`,
    );
  }

  #denied(reason: string): RegistryError {
    const { host, origin } = this.#settings;
    const lines = `registries:\n  - name: ${host}\n    scheme: ${origin.protocol.replace(':', '')}`;
    return new RegistryError('DENIED', `${reason}; to allow it add:\n${lines}`);
  }
}
