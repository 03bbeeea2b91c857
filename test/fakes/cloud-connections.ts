import { cloudConnections } from '#src/app/cloud-connections.ts';
import { configSchema } from '#src/config/schema.ts';
import type { Connect } from '#src/credentials/providers/provider.ts';
import type { AddressRule } from '#src/net/dial/address-rule.ts';
import type { NameLookups } from '#src/net/dial/name-lookups.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';
import { SocketLimit } from '#src/net/dial/socket-limit.ts';
import { TlsTrust } from '#src/net/dial/tls-trust.ts';
import { FakeClock } from './fake-clock.ts';
import { someNames } from './names.ts';

const trust = new TlsTrust();

interface Ways {
  readonly proxies?: ProxyChoice;
  readonly names?: NameLookups;
  /** A file of authorities for all registries. */
  readonly ca?: string;
  readonly sockets?: SocketLimit;
}

/** What connections are made with: time that stands still, no proxy, the configuration's defaults. */
export function connectionParts({
  proxies = ProxyChoice.none,
  names = someNames(),
  ca = '',
  sockets = new SocketLimit(100),
}: Ways = {}) {
  const config = configSchema.parse({ upstream: { ca }, registries: [{ name: 'registry.example.com' }] });
  return { config, userAgent: 'test', trust, names, sockets, proxies, clock: new FakeClock() };
}

/** The program's own connections to clouds. `admits`: an imitation on loopback that may be asked as if its address were public. */
export function connections({ admits, ...ways }: Ways & { readonly admits?: string } = {}): Connect {
  const parts = connectionParts(ways);
  const [registry] = parts.config.registries;
  if (registry === undefined) throw new Error('no registry');
  const connect = cloudConnections(registry, parts);
  return (rule) => connect(admitting(rule, admits));
}

function admitting(rule: AddressRule, origin: string | undefined): AddressRule {
  return {
    checkUrl: (url) => (url.origin === origin ? undefined : rule.checkUrl(url)),
    allowed: (url, addresses) => (url.origin === origin ? addresses : rule.allowed(url, addresses)),
    connected: (url, address) => rule.connected(url, address),
  };
}
