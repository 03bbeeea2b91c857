import { RecentFailures } from '../admin/recent-failures.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { FinishedAnswers } from '../http/finished-answers.ts';
import type { Catalog } from '../http/handlers/call.ts';
import { createHealth, type Readiness } from '../http/health.ts';
import { withHosted, withoutHosted } from '../http/hosted-catalog.ts';
import { createMetricsPage } from '../http/metrics-page.ts';
import { pullableCatalog, shownBeginnings } from '../http/pullable-catalog.ts';
import { createRouter, type RouterParts } from '../http/router.ts';
import type { RunningServer } from '../http/server.ts';
import { createTokenDoor } from '../http/token-door.ts';
import { hostedHost } from '../oci/reference.ts';
import { Stopping, stopping } from '../oci/stopping.ts';
import { HostRegistry } from '../registry/host-registry.ts';
import { openAdministration } from './administration.ts';
import { beginBesideClients } from './beside-clients.ts';
import { openCaching } from './caching.ts';
import { openDoor } from './door.ts';
import { openHosting } from './hosting.ts';
import { listen } from './listen.ts';
import { openListeners } from './listeners.ts';
import { memoryPlan } from './memory-plan.ts';
import { filePlan } from './open-files.ts';
import type { PassThrough } from './pass-through.ts';
import type { PassingRegistryParts } from './passing-registry.ts';
import { checkProxies, headLimitMs } from './policies.ts';
import { storeReadiness } from './readiness.ts';
import { ServerCertificates } from './server-certificates.ts';
import { targetSettings } from './target-settings.ts';

export interface AppParts {
  readonly log: Log;
  readonly version: string;
  readonly clock?: Clock;
  /** 0 ≤ random < 1. */
  readonly random?: () => number;
  /** Default: that of the process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Ends the program as a signal does, for whoever administers it: `by` whom, in words. Default: nothing. */
  readonly stop?: (by: string) => void;
  /** Told what the start waits for next, in words. */
  readonly waitsFor?: (what: string) => void;
}

/**
 * The running program, and the one place where concrete parts meet:
 * `byHost( cached( upstream ) )` behind the distribution API. Disposing it stops at once, {@link App.stop} drains before.
 */
export class App implements AsyncDisposable {
  readonly server: RunningServer;
  readonly health: RunningServer | undefined;
  readonly metrics: RunningServer | undefined;
  /** By `listeners`, in their order. */
  readonly listeners: readonly RunningServer[];
  /** Of {@link server}; undefined: it is plain HTTP. */
  readonly certificates: ServerCertificates | undefined;
  readonly #stack: AsyncDisposableStack;
  readonly #gate: Gate;
  readonly #config: Config;
  readonly #clock: Clock;

  constructor(parts: {
    server: RunningServer;
    health: RunningServer | undefined;
    metrics: RunningServer | undefined;
    listeners: readonly RunningServer[];
    certificates: ServerCertificates | undefined;
    stack: AsyncDisposableStack;
    gate: Gate;
    config: Config;
    clock: Clock;
  }) {
    this.server = parts.server;
    this.health = parts.health;
    this.metrics = parts.metrics;
    this.listeners = parts.listeners;
    this.certificates = parts.certificates;
    this.#stack = parts.stack;
    this.#gate = parts.gate;
    this.#config = parts.config;
    this.#clock = parts.clock;
  }

  /**
   * Not ready first, then closed to new requests; downloads that run may end within `server.drainTimeout`. `drained`: no client is there any
   * more, what is left to do takes as long as the disk does.
   */
  async stop(drained: () => void = () => {}): Promise<void> {
    const { shutdownDelay, drainTimeout } = this.#config.server;
    this.#gate.notReady = stopping;
    if (shutdownDelay > 0) await this.#clock.sleep(shutdownDelay);
    this.#gate.isOpen = false;
    const servers = [this.server, ...this.listeners];
    await Promise.all(servers.map(async (server) => await server.drain(drainTimeout)));
    drained();
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gate.notReady = stopping;
    await this.#stack.disposeAsync();
  }
}

/** May requests come in? */
class Gate {
  /** Why new clients may not be sent here, in words; undefined: they may. */
  notReady: string | undefined = 'the server is starting';
  /** Until the program stops. */
  isOpen = true;

  readonly admit = (): void => {
    if (!this.isOpen) throw new Stopping();
  };
}

/**
 * Opens the port of health first, which tells what the start waits for; then the stores, then the other ports: who can connect gets answers.
 * Throws what keeps it from starting.
 */
export async function startApp(config: Config, parts: AppParts): Promise<App> {
  const { version, clock = systemClock, random = Math.random, env = process.env } = parts;
  const failures = new RecentFailures(clock);
  const log = failures.watching(parts.log);
  await using stack = new AsyncDisposableStack();
  const gate = new Gate();
  const waitsFor = (what: string): void => {
    gate.notReady = `the start waits for ${what}`;
    parts.waitsFor?.(what);
  };
  checkProxies(config, env);
  waitsFor(`its addresses and ports at ${config.host}`);
  const files = await filePlan(config.server.maxConnections, log);
  const aside = { config, clock, log, maxConnections: files.aside };
  let isUsable: Readiness = async () => ({});
  const readiness: Readiness = async () =>
    gate.notReady === undefined ? await isUsable() : { reason: gate.notReady };
  const health =
    config.health === 0
      ? undefined
      : stack.use(await listen(createHealth(readiness), { ...aside, at: 'health' }));
  waitsFor('the files of serverTlsConfig');
  const certificates = await ServerCertificates.open(config, { clock, log });
  waitsFor(`the cache directory ${config.imagePath}`);
  const says = (what: string): void => {
    waitsFor(what);
    gate.notReady = what;
  };
  const aboutCaching = { files, version, clock, log, random, env, says, completes: true };
  const caching = stack.use(await openCaching(config, aboutCaching));
  const { store, registries, prometheus, retention, notifier } = caching;
  retention?.begin();
  notifier?.begin();
  const target = targetSettings(config);
  let isRestored = store.rebuild?.from === undefined;
  const isBeingRestored = (): boolean => !isRestored;
  const hosting = stack.use(openHosting(config, caching, target, { clock, log, isBeingRestored }));
  const registry = new HostRegistry((host) => (host === hostedHost ? hosting.registry : registries.of(host)));
  const administration = openAdministration(config, caching, {
    ...{ failures, clock, stop: parts.stop ?? (() => {}) },
    // What somebody does is no failure.
    log: parts.log,
  });
  const incoming =
    config.notifications.incoming === undefined
      ? undefined
      : (await import('./incoming.ts')).openIncoming(config, caching, { clock, log });
  if (incoming !== undefined) stack.use(incoming);
  const { pushes, endpoints, repositoryNamed } = hosting;
  waitsFor('the files of auth');
  const { dialling } = caching;
  const door = stack.use(await openDoor(config, { store, dialling, repositoryNamed, clock, log }));
  const passThrough = await passThroughOf(config, { registries, metadata: store.metadata, clock });
  const stored: Catalog = async (page) => await store.metadata.listRepositories(page);
  const routed: RouterParts = {
    ...{ registry, pushes },
    // Nothing is taken from there by name, or listed, whose right nobody has looked at.
    repositoryNamed: passThrough?.withoutThem(repositoryNamed) ?? repositoryNamed,
    catalog: withHosted(stored, pullableCatalog(withoutHosted(stored, passThrough?.hosts), target.aliases)),
    shownBeginnings: shownBeginnings(target.aliases),
    ownRights: passThrough?.at('port'),
    target,
    linkPrefix: prefixOf(config.publicUrl),
    publicUrl: config.publicUrl === '' ? undefined : new URL(config.publicUrl),
    admit: gate.admit,
    ...door.at('port'),
    administer: administration.answer,
    headLimit: { clock, milliseconds: headLimitMs(config) },
    log,
    observer: prometheus?.observer,
    tellOfPulls: notifier?.wants('pull') === true ? notifier.tell : undefined,
    takeEvents: incoming?.take,
    finished: new FinishedAnswers(memoryPlan().answers),
  };
  const router = createRouter(routed, endpoints);
  waitsFor(`its addresses and ports at ${config.host}`);
  const metrics =
    prometheus === undefined
      ? undefined
      : stack.use(await listen(createMetricsPage(prometheus, log), { ...aside, at: 'metrics' }));
  const takesBodies = pushes !== undefined;
  const main = {
    ...{
      config,
      clock,
      log,
      maxConnections: connectionsOf(config, files.connections),
      tls: certificates?.tls,
    },
    takesBodies,
  };
  const server = stack.use(await listen(router, { ...main, at: 'port' }));
  if (certificates !== undefined) stack.use(certificates.renew((tls) => server.useTls(tls)));
  const { servers: listeners } = stack.use(
    await openListeners({
      ...{ config, clock, log, admit: gate.admit, takesBodies },
      registry: (at) =>
        createRouter(
          { ...routed, ...door.at(at), ownRights: passThrough?.at(at), administer: undefined },
          endpoints,
        ),
      tokens: (at) => createTokenDoor({ ...routed, ...door.at(at), clock }),
      connections: { registry: main.maxConnections, aside: files.aside },
    }),
  );
  isUsable = storeReadiness(store, retention, clock);
  gate.notReady = undefined;
  const known = (): void => {
    isRestored = true;
  };
  await beginBesideClients(config, caching, { clock, log, random, stack, known });
  const servers = { server, health, metrics, listeners };
  return new App({ ...servers, certificates, stack: stack.move(), gate, config, clock });
}

/** Loaded where it is configured alone. Undefined: no registry is asked in the name of each client. */
async function passThroughOf(config: Config, parts: PassingRegistryParts): Promise<PassThrough | undefined> {
  if (config.registries.every(({ authorization }) => authorization === 'shared')) return undefined;
  const { openPassThrough } = await import('./pass-through.ts');
  return openPassThrough(config, parts);
}

/** Each door of the registry has as many as the others. */
function connectionsOf({ listeners }: Config, all: number): number {
  return Math.max(1, Math.floor(all / (1 + listeners.filter(({ serve }) => serve === 'registry').length)));
}

function prefixOf(publicUrl: string): string {
  return publicUrl === '' ? '' : new URL(publicUrl).pathname.replace(/\/+$/, '');
}
