import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { type Clock, systemClock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { createHealth } from '../http/health.ts';
import { createMetricsPage } from '../http/metrics-page.ts';
import { createRouter } from '../http/router.ts';
import { type RunningServer, type ServerTls, startServer } from '../http/server.ts';
import type { Log } from '../log.ts';
import { RegistryError } from '../oci/error.ts';
import { hostOf } from '../oci/reference.ts';
import { HostRegistry } from '../registry/host-registry.ts';
import { openCache } from './cache.ts';
import { headLimitMs } from './head-limit.ts';
import { memoryPlan } from './memory-plan.ts';
import { openMetrics } from './metrics.ts';
import { checkProxies } from './proxies.ts';
import { Registries } from './registries.ts';
import { openStore } from './store.ts';
import { targetSettings } from './target-settings.ts';

export interface AppParts {
  readonly log: Log;
  readonly version: string;
  readonly clock?: Clock;
  /** 0 ≤ random < 1. */
  readonly random?: () => number;
  /** Default: that of the process. */
  readonly env?: NodeJS.ProcessEnv;
}

/** A connection may be silent for so long, or a minute longer than upstream may take for a first answer. Milliseconds. */
const minIdleMs = 300_000;

/**
 * The running program, and the one place where concrete parts meet:
 * `byHost( cached( upstream ) )` behind the distribution API. Disposing it stops at once, {@link App.stop} drains before.
 */
export class App implements AsyncDisposable {
  readonly server: RunningServer;
  readonly health: RunningServer | undefined;
  readonly metrics: RunningServer | undefined;
  readonly #stack: AsyncDisposableStack;
  readonly #gate: Gate;
  readonly #config: Config;
  readonly #clock: Clock;

  constructor(parts: {
    server: RunningServer;
    health: RunningServer | undefined;
    metrics: RunningServer | undefined;
    stack: AsyncDisposableStack;
    gate: Gate;
    config: Config;
    clock: Clock;
  }) {
    this.server = parts.server;
    this.health = parts.health;
    this.metrics = parts.metrics;
    this.#stack = parts.stack;
    this.#gate = parts.gate;
    this.#config = parts.config;
    this.#clock = parts.clock;
  }

  /** Not ready first, then closed to new requests; downloads that run may end within `server.drainTimeout`. */
  async stop(): Promise<void> {
    const { shutdownDelay, drainTimeout } = this.#config.server;
    this.#gate.isReady = false;
    if (shutdownDelay > 0) await this.#clock.sleep(shutdownDelay);
    this.#gate.isOpen = false;
    await this.server.drain(drainTimeout);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** May requests come in? Both are true until the program stops. */
class Gate {
  isReady = true;
  isOpen = true;

  readonly admit = (): void => {
    if (this.isOpen) return;
    throw new RegistryError('UNAVAILABLE', 'the server is stopping', {
      status: 503,
      headers: { Connection: 'close', 'Retry-After': '5' },
    });
  };
}

/** Opens the stores, then the ports: who can connect gets answers. Throws what keeps it from starting. */
export async function startApp(config: Config, parts: AppParts): Promise<App> {
  const { log, version, clock = systemClock, random = Math.random, env = process.env } = parts;
  await using stack = new AsyncDisposableStack();
  const gate = new Gate();
  const tls = await tlsOf(config);
  checkProxies(config, env);
  const memory = memoryPlan();
  const store = stack.use(await openStore(config.imagePath, { memory, clock, log }));
  const cache = openCache({
    store,
    memory,
    clock,
    log,
    random,
    complete: async (repository, blob, signal) =>
      await registries.of(hostOf(repository)).complete(repository, blob, signal),
  });
  const prometheus = await openMetrics({ config, parts: cache, version, quotas: () => registries.quotas() });
  const observer = prometheus?.observer;
  const userAgent = `ociregistry/${version}`;
  const registries = stack.use(new Registries({ config, parts: cache, memory, userAgent, observer, env }));
  stack.use(cache);
  const registry = new HostRegistry((host) => registries.of(host));
  const router = createRouter({
    registry,
    catalog: async (page) => await store.metadata.listRepositories(page),
    target: targetSettings(config),
    linkPrefix: prefixOf(config.publicUrl),
    publicUrl: config.publicUrl === '' ? undefined : new URL(config.publicUrl),
    admit: gate.admit,
    headLimit: { clock, milliseconds: headLimitMs(config) },
    log,
    observer,
  });
  const readiness = async (): Promise<string | undefined> => {
    if (!gate.isReady) return 'the server is stopping';
    await store.metadata.listRepositories({ limit: 1 });
    return undefined;
  };
  const health =
    config.health === 0 ? undefined : stack.use(await listen(config, createHealth(readiness), config.health));
  const metrics =
    prometheus === undefined
      ? undefined
      : stack.use(await listen(config, createMetricsPage(prometheus, log), config.metrics));
  const server = stack.use(await listen(config, router, config.port, tls));
  return new App({ server, health, metrics, stack: stack.move(), gate, config, clock });
}

async function listen(
  { host, pullTimeout, server: { maxConnections } }: Config,
  listener: Parameters<typeof startServer>[0],
  port: number,
  tls?: ServerTls,
): Promise<RunningServer> {
  const idleTimeoutMs = Math.max(minIdleMs, pullTimeout + 60_000);
  return await startServer(listener, { host, port, tls, maxConnections, idleTimeoutMs });
}

/** Throws an error that names the key, before anything listens. */
async function tlsOf({ serverTlsConfig }: Config): Promise<ServerTls | undefined> {
  const { clientAuth, ...files } = serverTlsConfig;
  if (files.cert === '') return undefined;
  try {
    const cert = await readFile(files.cert, 'utf8');
    const key = await readFile(files.key, 'utf8');
    const ca = files.ca === '' ? undefined : await readFile(files.ca, 'utf8');
    createSecureContext({ cert, key, ca });
    return { cert, key, ca, clientAuth };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`serverTlsConfig: ${reason}`, { cause });
  }
}

function prefixOf(publicUrl: string): string {
  return publicUrl === '' ? '' : new URL(publicUrl).pathname.replace(/\/+$/, '');
}
