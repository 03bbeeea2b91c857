import { type Clock, systemClock } from '../base/clock.ts';
import { anonymous, type CredentialProvider, staticCredentials } from '../credentials/credentials.ts';
import { DeadlineTransport } from '../net/deadline.ts';
import { AddressGuard, type UnknownRegistries } from '../net/dial/address-guard.ts';
import { NameLookups } from '../net/dial/name-lookups.ts';
import { ProxyChoice } from '../net/dial/proxy-choice.ts';
import type { SocketLimit } from '../net/dial/socket-limit.ts';
import { type TlsSettings, TlsTrust } from '../net/dial/tls-trust.ts';
import { ObservedTransport } from '../net/observed-transport.ts';
import type { OnOddity } from '../net/oddity.ts';
import { RedirectingTransport } from '../net/redirect.ts';
import { RetryingTransport } from '../net/retry.ts';
import type { Transport } from '../net/transport.ts';
import type { ReceiveBuffers } from '../net/wire/receive-buffer.ts';
import { Wire } from '../net/wire/wire.ts';
import type { ExchangeEvent, OnWireEvent } from '../net/wire-event.ts';
import { isDockerHub } from '../oci/docker-hub.ts';
import { pathOf, type RegistryHost, type RepositoryName } from '../oci/reference.ts';
import { Scope } from '../oci/scope.ts';
import { Stopping } from '../oci/stopping.ts';
import { AuthorizingTransport } from './auth/authorizing-transport.ts';
import { checkRealmUrl } from './auth/realm.ts';
import { TokenClient } from './auth/token-client.ts';
import { Account } from './limits/account.ts';
import { AccountsTransport } from './limits/accounts-transport.ts';
import { Bandwidth } from './limits/bandwidth.ts';
import { CircuitTransport } from './limits/circuit.ts';
import { ConcurrencyTransport, maxStandIns, Places } from './limits/concurrency.ts';
import type { Quota } from './limits/quota.ts';
import { Reserve } from './limits/reserve.ts';
import { ThrottledTransport } from './limits/throttle.ts';
import { UpstreamRegistry, type UpstreamRegistrySettings } from './upstream-registry.ts';
import type { MirrorPlace } from './upstream-session.ts';

/** Who we are at a registry that knows us by several names. */
export interface NamedCredentials {
  /** For the log. */
  readonly user: string;
  readonly credentials: CredentialProvider;
}

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
  /** In the place of `credentials`: used in turn, by what is left of their quotas. */
  readonly accounts?: readonly NamedCredentials[] | undefined;
  /** Token servers that may be asked, as hosts or origins; none is any. */
  readonly trustedRealms?: readonly string[] | undefined;
  readonly tls?: TlsSettings | undefined;
  /** To be shared by all upstreams of the process: reading the roots takes time and room. */
  readonly trust?: TlsTrust | undefined;
  /** To be shared likewise: what is free serves whoever receives a blob next. */
  readonly receiveBuffers?: ReceiveBuffers | undefined;
  /** Until status line and headers, with all tries, tokens and redirects. */
  readonly pullTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly maxConcurrent: number;
  /** Bytes a second of all blobs together; 0 is no limit. */
  readonly maxBandwidth?: number | undefined;
  /** May an https registry redirect for blobs to http? Default: no. */
  readonly blobsOverHttp?: boolean | undefined;
  /** Default: none. */
  readonly proxies?: ProxyChoice | undefined;
  /** Is exactly this host and port under `registries`? */
  readonly configured: boolean;
  readonly unknownRegistries: UnknownRegistries;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  /** To be shared by all upstreams of the process, since they share its threads. */
  readonly names?: NameLookups | undefined;
  /** Likewise, with its files. */
  readonly sockets?: SocketLimit | undefined;
  /** In the place of sockets, with the address guard that is theirs: for a simulation. */
  readonly wire?: (Transport & AsyncDisposable) | undefined;
  readonly onOddity?: OnOddity | undefined;
  /** For a diagnosis. */
  readonly observe?: OnWireEvent | undefined;
  /** With others that ask the same registry. Default: by itself. */
  readonly shared?: SharedLimits | undefined;
  /** Is it told when the credential is refused, and taken again? Not where it is a client's, who is told himself. Default: yes. */
  readonly tellsOfCredential?: boolean;
}

interface SharedLimits {
  readonly places: Places;
  readonly bandwidth: Bandwidth | undefined;
}

const maxRedirects = 10;
const maxRealmRedirects = 3;
/** containerd waits 30 s for our headers, so a try that begins later is for nobody. */
const maxRetryBudgetMs = 25_000;
/** What a try that hangs may take, so that another can answer while a client still waits (20 s). */
const maxTryMs = 10_000;
/** What a mirror may take to answer, so that there is time left for the next. */
const maxMirrorMs = 10_000;
/** Of a try, what connecting may take: less, so that a host that cannot be reached is known as that and not as slow. */
const connectShare = 0.8;
/** The same of a mirror. */
const maxMirrorConnectMs = 5000;
/** Where Docker Hub's API is: not at the host of its names. */
const dockerHubApi = 'registry-1.docker.io';

/** Where the API of a registry is. */
export function originOf({ scheme, host }: Pick<UpstreamSettings, 'scheme' | 'host'>): URL {
  return new URL(`${scheme}://${isDockerHub(host) ? dockerHubApi : host}`);
}

/** A registry over the network. */
export interface Upstream extends UpstreamRegistry, AsyncDisposable {
  /** What is left of each account's quota, in their order, as far as it is known. */
  readonly quotas: readonly (Quota | undefined)[];
  /** May a cached tag be revalidated, or is what is left of the quota kept for what is not cached? */
  admitsRevalidation(): boolean;
  /** What is asked next of this repository, or of none, is asked with the credential itself: tokens that were had with it do not count any more. */
  presentAnew(repository: RepositoryName | undefined): void;
}

/** One registry for many who ask, each by a credential of his own: they share connections and limits, and nothing of what they are answered. */
export interface SharedUpstream extends AsyncDisposable {
  /** To be disposed of before this. */
  as(credentials: CredentialProvider): Upstream;
}

/** As {@link createUpstream}. */
export function createSharedUpstream(
  settings: Omit<UpstreamSettings, 'credentials' | 'accounts' | 'shared' | 'tellsOfCredential'>,
): SharedUpstream {
  const { clock = systemClock, maxConcurrent, maxBandwidth = 0 } = settings;
  const wire =
    settings.wire ?? openWire({ ...settings, clock, onOddity: oddityOf(settings) }, originOf(settings));
  const shared = {
    places: new Places(maxConcurrent),
    bandwidth: maxBandwidth === 0 ? undefined : new Bandwidth(maxBandwidth, clock),
  };
  const lent = { send: wire.send.bind(wire), async [Symbol.asyncDispose]() {} };
  return {
    as: (credentials) =>
      createUpstream({ ...settings, clock, credentials, wire: lent, shared, tellsOfCredential: false }),
    [Symbol.asyncDispose]: async () => await wire[Symbol.asyncDispose](),
  };
}

/** A registry over the network with all that belongs to it: the guard, authorisation, redirects, retries. */
export function createUpstream(settings: UpstreamSettings): Upstream {
  const { clock = systemClock } = settings;
  const onOddity = oddityOf(settings);
  const origin = originOf(settings);
  const wire = settings.wire ?? openWire({ ...settings, clock, onOddity }, origin);
  const closing = new AbortController();
  const context = { ...settings, clock, onOddity, origin, closing: closing.signal };
  const accounts = accountsOf(wire, context);
  const transport = registryTransport(accounts, context);
  const reserve = new Reserve({ accounts, clock, onOddity });
  const { mirror } = settings;
  return new OpenUpstream(
    { origin, transport, clock, onOddity, mirror },
    { wire, accounts, reserve, closing },
  );
}

/** Of a mirror nothing is an error: whoever asks it goes on to the next. */
function oddityOf({ mirror, onOddity = () => {} }: UpstreamSettings): OnOddity {
  return mirror === undefined ? onOddity : (message, fields) => onOddity(message, fields, 'warn');
}

function openWire(settings: UpstreamSettings & { readonly clock: Clock }, origin: URL): Wire {
  const { host, configured, unknownRegistries, clock, onOddity } = settings;
  const onRefusal = ({ hostname: name }: URL, address: string): void =>
    onOddity?.('an address that is not public is refused', { name, address });
  const guard = new AddressGuard({ host, origin, configured, unknownRegistries, onRefusal });
  const { firstTryMs: tryMs } = timesOf(settings);
  const maxConnectMs = Math.min(connectShare * tryMs, settings.mirror ? maxMirrorConnectMs : Infinity);
  const wire = {
    clock,
    guard,
    hostname: origin.hostname,
    tls: settings.tls ?? {},
    trust: settings.trust ?? new TlsTrust(),
    connectTimeoutMs: Math.min(settings.connectTimeoutMs, maxConnectMs),
    headersTimeoutMs: settings.pullTimeoutMs,
    stallTimeoutMs: settings.stallTimeoutMs,
    tryMs,
    maxConcurrent: settings.maxConcurrent + maxStandIns,
    userAgent: settings.userAgent,
    proxies: settings.proxies ?? ProxyChoice.none,
    names: settings.names ?? new NameLookups({ clock, threads: 1 }),
    sockets: settings.sockets,
    observe: settings.observe,
  };
  return new Wire(wire, settings.receiveBuffers);
}

interface OpenParts {
  readonly wire: AsyncDisposable;
  readonly closing: AbortController;
  readonly accounts: readonly Account[];
  readonly reserve: Reserve;
}

class OpenUpstream extends UpstreamRegistry implements Upstream {
  readonly #parts: OpenParts;

  constructor(settings: UpstreamRegistrySettings, parts: OpenParts) {
    super(settings);
    this.#parts = parts;
  }

  get quotas(): readonly (Quota | undefined)[] {
    return this.#parts.accounts.map(({ quota }) => quota);
  }

  admitsRevalidation(): boolean {
    return this.#parts.reserve.admitsRevalidation();
  }

  presentAnew(repository: RepositoryName | undefined): void {
    const scope = repository === undefined ? Scope.none : Scope.pull(pathOf(repository));
    for (const account of this.#parts.accounts) account.presentAnew(scope);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.closing.abort(new Stopping());
    await this.#parts.wire[Symbol.asyncDispose]();
  }
}

type Context = UpstreamSettings & {
  readonly clock: Clock;
  readonly onOddity: OnOddity;
  readonly origin: URL;
  readonly closing: AbortSignal;
};
type Accounts = readonly [Account, ...Account[]];

/** Each with its own authorisation: no token of one is ever sent for another. */
function accountsOf(wire: Transport, context: Context): Accounts {
  const { origin, clock, trustedRealms = [], credentials = staticCredentials(anonymous) } = context;
  const tokenClient = new TokenClient({ transport: tokenTransport(wire, context), clock });
  const asked = observed(wire, 'registry', context);
  const [first = { user: '', credentials }, ...others] = context.accounts ?? [];
  // Of several who is refused is told by who chooses between them.
  const tells = others.length === 0 && context.tellsOfCredential !== false;
  const onOddity = tells ? context.onOddity : undefined;
  const account = ({ user, credentials }: NamedCredentials): Account =>
    new Account(
      new AuthorizingTransport(asked, { origin, credentials, trustedRealms, clock, tokenClient, onOddity }),
      { user, origin, clock },
    );
  return [account(first), ...others.map(account)];
}

/** A retry goes back to the registry's own URL; each hop of a redirect may be challenged. */
function registryTransport(accounts: Accounts, context: Context): Transport {
  const { clock, maxBandwidth = 0, maxConcurrent, shared, blobsOverHttp } = context;
  const identified = accounts.length === 1 ? accounts[0] : new AccountsTransport(accounts, context);
  const following = new RedirectingTransport(identified, { maxHops: maxRedirects, blobsOverHttp });
  // Whoever asks a mirror can go on to the next.
  const settings = { ...context, oneSilenceIsEnough: context.mirror !== undefined };
  const circuit = new CircuitTransport(bounded(following, context), settings);
  const inTurn = new ConcurrencyTransport(circuit, shared?.places ?? maxConcurrent);
  if (maxBandwidth === 0) return inTurn;
  return new ThrottledTransport(inTurn, shared?.bandwidth ?? new Bandwidth(maxBandwidth, clock));
}

/** Token servers are asked without authorisation of ours, and their redirects obey the rules for realms. */
function tokenTransport(wire: Transport, context: Context): Transport {
  const asked = observed(wire, 'token server', context);
  const check = (url: URL): void => checkRealmUrl(url, context.origin, context.trustedRealms);
  const following = new RedirectingTransport(asked, { maxHops: maxRealmRedirects, check });
  // Half the time of who waits for the token: else their time would be over first, and the registry be taken for silent.
  const limited = bounded(following, context, 0.5);
  // Whose limit a 429 is depends on the account.
  return new CircuitTransport(limited, { ...context, passesLimits: true });
}

function observed(wire: Transport, to: ExchangeEvent['to'], { observe }: UpstreamSettings): Transport {
  return observe === undefined ? wire : new ObservedTransport(wire, to, observe);
}

/** `share`: of the time that there is for one request. */
function bounded(transport: Transport, context: Context, share = 1): Transport {
  const { clock, closing, mirror, random = Math.random } = context;
  const { milliseconds, budgetMs, tryMs } = timesOf(context, share);
  const retrying = new RetryingTransport(transport, { clock, random, budgetMs, tryMs, closing });
  return new DeadlineTransport(retrying, { clock, milliseconds, withBody: mirror !== undefined });
}

/** Of one request and its tries, in milliseconds; the first try is ended after `firstTryMs`. */
function timesOf({ mirror, pullTimeoutMs }: UpstreamSettings, share = 1) {
  const milliseconds = share * (mirror === undefined ? pullTimeoutMs : Math.min(maxMirrorMs, pullTimeoutMs));
  const tryMs = Math.min(maxTryMs, milliseconds / 2);
  if (mirror !== undefined) return { milliseconds, budgetMs: 0, tryMs, firstTryMs: milliseconds };
  const budgetMs = Math.min(maxRetryBudgetMs, milliseconds * 0.8);
  return { milliseconds, budgetMs, tryMs, firstTryMs: tryMs };
}
