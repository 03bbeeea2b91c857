import { type Clock, systemClock } from '../clock.ts';
import type { RegistryHost } from '../oci/reference.ts';
import { AddressGuard, type UnknownRegistries } from './address-guard.ts';
import { AuthorizingTransport } from './auth/authorizing-transport.ts';
import { anonymous, type CredentialProvider, staticCredentials } from './auth/credentials.ts';
import { checkRealmUrl } from './auth/realm.ts';
import { TokenClient } from './auth/token-client.ts';
import { CircuitTransport } from './circuit.ts';
import { DeadlineTransport } from './deadline.ts';
import type { Resolve } from './guarded-connector.ts';
import { ObservedTransport } from './observed-transport.ts';
import { ProxyChoice } from './proxy-choice.ts';
import { RedirectingTransport } from './redirect.ts';
import { RetryingTransport } from './retry.ts';
import { type TlsSettings, TlsTrust } from './tls-trust.ts';
import type { Transport } from './transport.ts';
import { UpstreamRegistry } from './upstream-registry.ts';
import type { MirrorPlace, OnOddity } from './upstream-session.ts';
import { Wire } from './wire/wire.ts';
import type { ExchangeEvent, OnWireEvent } from './wire-event.ts';

/** One upstream registry. Times in milliseconds. */
export interface UpstreamSettings {
  /** As it stands in front of repository names. */
  readonly host: RegistryHost;
  readonly scheme: 'https' | 'http';
  /** This registry is one of another's mirrors: whoever asks can go on to the next, so that nothing is tried twice here. */
  readonly mirror?: MirrorPlace | undefined;
  readonly userAgent: string;
  /** Default: anonymous. */
  readonly credentials?: CredentialProvider | undefined;
  /** Token servers that may be asked, as hosts or origins; none is any. */
  readonly trustedRealms?: readonly string[] | undefined;
  readonly tls?: TlsSettings | undefined;
  /** To be shared by all upstreams of the process: reading the roots takes time and room. */
  readonly trust?: TlsTrust | undefined;
  /** Until status line and headers, with all tries, tokens and redirects. */
  readonly pullTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly maxConcurrent: number;
  /** Default: none. */
  readonly proxies?: ProxyChoice | undefined;
  /** Is exactly this host and port under `registries`? */
  readonly configured: boolean;
  readonly unknownRegistries: UnknownRegistries;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  readonly resolve?: Resolve | undefined;
  readonly onOddity?: OnOddity | undefined;
  /** For a diagnosis. */
  readonly observe?: OnWireEvent | undefined;
}

const maxRedirects = 10;
const maxRealmRedirects = 3;
/** containerd waits 30 s for our headers, so a try that begins later is for nobody. */
const maxRetryBudgetMs = 25_000;
/** What a mirror may take to answer, so that there is time left for the next. */
const maxMirrorMs = 10_000;
/** Whose API is not at the host of its names. */
const apiHosts: Readonly<Record<string, string>> = {
  'docker.io': 'registry-1.docker.io',
  'index.docker.io': 'registry-1.docker.io',
  'registry.hub.docker.com': 'registry-1.docker.io',
};

/** Where the API of a registry is. */
export function originOf({ scheme, host }: Pick<UpstreamSettings, 'scheme' | 'host'>): URL {
  return new URL(`${scheme}://${apiHosts[host] ?? host}`);
}

/** A registry over the network with all that belongs to it: the guard, authorisation, redirects, retries. */
export function createUpstream(settings: UpstreamSettings): UpstreamRegistry & AsyncDisposable {
  const { host, clock = systemClock, onOddity } = settings;
  const origin = originOf(settings);
  const { configured, unknownRegistries } = settings;
  const guard = new AddressGuard({ host, origin, configured, unknownRegistries });
  const wire = new Wire({
    guard,
    hostname: origin.hostname,
    tls: settings.tls ?? {},
    trust: settings.trust ?? new TlsTrust(),
    connectTimeoutMs: settings.connectTimeoutMs,
    headersTimeoutMs: settings.pullTimeoutMs,
    stallTimeoutMs: settings.stallTimeoutMs,
    maxConcurrent: settings.maxConcurrent,
    userAgent: settings.userAgent,
    proxies: settings.proxies ?? ProxyChoice.none,
    resolve: settings.resolve,
    observe: settings.observe,
  });
  const transport = registryTransport(wire, { ...settings, clock }, origin);
  return new OpenUpstream({ origin, transport, clock, onOddity, mirror: settings.mirror }, wire);
}

class OpenUpstream extends UpstreamRegistry implements AsyncDisposable {
  readonly #wire: AsyncDisposable;

  constructor(settings: ConstructorParameters<typeof UpstreamRegistry>[0], wire: AsyncDisposable) {
    super(settings);
    this.#wire = wire;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#wire[Symbol.asyncDispose]();
  }
}

/** A retry goes back to the registry's own URL; each hop of a redirect may be challenged. */
function registryTransport(
  wire: Transport,
  settings: UpstreamSettings & { clock: Clock },
  origin: URL,
): Transport {
  const { clock, credentials = staticCredentials(anonymous), trustedRealms = [] } = settings;
  const authorizing = new AuthorizingTransport(observed(wire, 'registry', settings), {
    origin,
    credentials,
    trustedRealms,
    clock,
    tokenClient: new TokenClient({ transport: tokenTransport(wire, settings, origin), clock }),
  });
  const following = new RedirectingTransport(authorizing, { maxHops: maxRedirects });
  return new CircuitTransport(bounded(following, settings), {
    clock,
    onOddity: settings.onOddity ?? (() => {}),
  });
}

/** Token servers are asked without authorisation of ours, and their redirects obey the rules for realms. */
function tokenTransport(
  wire: Transport,
  settings: UpstreamSettings & { clock: Clock },
  origin: URL,
): Transport {
  const asked = observed(wire, 'token server', settings);
  const check = (url: URL): void => checkRealmUrl(url, origin, settings.trustedRealms);
  return bounded(new RedirectingTransport(asked, { maxHops: maxRealmRedirects, check }), settings);
}

function observed(wire: Transport, to: ExchangeEvent['to'], { observe }: UpstreamSettings): Transport {
  return observe === undefined ? wire : new ObservedTransport(wire, to, observe);
}

function bounded(transport: Transport, settings: UpstreamSettings & { clock: Clock }): Transport {
  const { clock, random = Math.random } = settings;
  const isMirror = settings.mirror !== undefined;
  const milliseconds = isMirror ? Math.min(maxMirrorMs, settings.pullTimeoutMs) : settings.pullTimeoutMs;
  const budgetMs = isMirror ? 0 : Math.min(maxRetryBudgetMs, milliseconds * 0.8);
  const retrying = new RetryingTransport(transport, { clock, random, budgetMs });
  return new DeadlineTransport(retrying, { clock, milliseconds });
}
