import type { Log } from '../../base/log.ts';
import { classifyAddress, knownAddress } from '../../net/dial/address.ts';
import type { AddressRule } from '../../net/dial/address-rule.ts';
import { RegistryError } from '../../oci/error.ts';

/**
 * Where one who is asked for credentials may be, by who named him:
 * - `anywhere`: who runs this process, by its environment, or as the registry itself.
 * - `private`: the cloud's documentation. A private link brings its services to addresses of the network's own.
 * - `public`: a file, which may be somebody else's work.
 */
export type Reach = 'anywhere' | 'private' | 'public';

export interface CloudRuleSettings {
  /** Who asks, for messages. */
  readonly who: string;
  readonly reach: Reach;
  /** At which addresses this cloud tells its machines who they are. Nobody else's are ever reached, unless `anywhere`. */
  readonly metadata: readonly string[];
  readonly log: Log;
}

/** Keeps the search for credentials from becoming a way into the internal network, or to what a cloud tells its machines. */
export class CloudRule implements AddressRule {
  readonly #settings: CloudRuleSettings;

  constructor(settings: CloudRuleSettings) {
    this.#settings = settings;
  }

  checkUrl(url: URL): void {
    const address = knownAddress(url.hostname);
    if (address !== undefined) this.allowed(url, [address]);
  }

  allowed(url: URL, addresses: readonly string[]): readonly string[] {
    const allowed = addresses.filter((address) => this.#allows(address));
    const refused = addresses[0];
    if (allowed.length > 0 || refused === undefined) return allowed;
    const { who, log } = this.#settings;
    log.warn({ name: url.hostname, address: refused }, `${who}: an address that is not public is refused`);
    throw new RegistryError(
      'DENIED',
      `no credentials from ${who}: the address of ${url.origin} is not public`,
    );
  }

  connected(): void {}

  #allows(address: string): boolean {
    const { reach, metadata } = this.#settings;
    if (reach === 'anywhere') return true;
    switch (classifyAddress(address)) {
      case 'public':
        return true;
      case 'private':
        return reach === 'private';
      case 'metadata':
        return metadata.includes(address);
    }
  }
}
