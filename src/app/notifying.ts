import { hostname } from 'node:os';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { DeadlineTransport } from '../net/deadline.ts';
import type { NameLookups } from '../net/dial/name-lookups.ts';
import { operatorsChoice } from '../net/dial/operators-choice.ts';
import type { SocketLimit } from '../net/dial/socket-limit.ts';
import type { TlsTrust } from '../net/dial/tls-trust.ts';
import { HttpTransport } from '../net/wire/http-transport.ts';
import { type NotifiedEndpoint, Notifier } from '../notify/notifier.ts';
import { nameInUrls } from './name-in-urls.ts';
import { proxiesOf } from './policies.ts';
import { tlsSettings } from './registry-upstream.ts';
import type { Store } from './store.ts';

/** How others than registries are reached, with whom the configuration has us talk. */
export interface Dialling {
  readonly names: NameLookups;
  readonly sockets: SocketLimit;
  /** One for the process. */
  readonly trust: TlsTrust;
  readonly userAgent: string;
  readonly env: NodeJS.ProcessEnv;
}

interface NotifyingSettings {
  readonly store: Store;
  /** Undefined: what is told is queued, for the server to send. */
  readonly dialling?: Dialling;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
}

type Endpoint = Config['notifications']['endpoints'][number];

/** Tells whom `notifications.endpoints` names. Undefined: nobody, or there is no room to keep what they are to be told. */
export function openNotifying(config: Config, settings: NotifyingSettings): Notifier | undefined {
  const { store, dialling, clock, log, random } = settings;
  const { endpoints } = config.notifications;
  const { events: queue, metadata } = store;
  if (endpoints.length === 0) return undefined;
  if (queue === undefined) {
    log.error(
      {},
      'there is no room for events: nobody is told of any until there is and the server was started again',
    );
    return undefined;
  }
  return new Notifier({
    endpoints: endpoints.map((endpoint) => ({
      ...told(endpoint),
      ...(dialling === undefined ? unreachable : reached(endpoint, config, dialling, clock)),
    })),
    source: {
      publicUrl: config.publicUrl === '' ? undefined : config.publicUrl,
      scheme: config.serverTlsConfig.cert === '' ? 'http' : 'https',
      addr: `${hostname()}:${config.port}`,
      nameOf: nameInUrls(config),
    },
    ...{ queue, metadata, clock, log, random },
  });
}

function told({ url, secret, events, timeout }: Endpoint): Omit<NotifiedEndpoint, 'transport'> {
  return { url: new URL(url), secret: secret?.reveal(), events, timeoutMs: timeout };
}

const unreachable: Pick<NotifiedEndpoint, 'transport'> = {
  transport: {
    async send() {
      throw new Error('events are sent by the server alone');
    },
  },
};

/** By the same proxies, names, authorities and limits of time as the registries. */
function reached(
  { url: text, timeout }: Endpoint,
  config: Config,
  { names, sockets, trust, userAgent, env }: Dialling,
  clock: Clock,
): Pick<NotifiedEndpoint, 'transport' | 'close'> {
  const url = new URL(text);
  const { connectTimeout, stallTimeout } = config.upstream;
  const wire = new HttpTransport({
    ...{ clock, names, sockets, trust, userAgent, guard: operatorsChoice, hostname: url.hostname },
    tls: tlsSettings(config, undefined),
    proxies: proxiesOf(config, undefined, env),
    connectTimeoutMs: Math.min(connectTimeout, timeout),
    headersTimeoutMs: timeout,
    stallTimeoutMs: Math.min(stallTimeout, timeout),
    maxConcurrent: 1,
  });
  const transport = new DeadlineTransport(wire, { clock, milliseconds: timeout, withBody: true });
  const close = async (): Promise<void> => await wire[Symbol.asyncDispose]();
  return { transport, close };
}
