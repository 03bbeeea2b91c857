import type { RequestListener } from 'node:http';
import { createIndexFiles } from '../http/index-files.ts';
import type { RunningServer } from '../http/server.ts';
import { type Listening, listen } from './listen.ts';
import { ServerCertificates } from './server-certificates.ts';

interface Parts extends Omit<Listening, 'at' | 'tls' | 'maxConnections'> {
  /** Throws to refuse a request, while the server stops. */
  readonly admit: () => void;
  /** The registry, for whoever comes by this listener. */
  readonly registry: (at: number) => RequestListener;
  /** Where tokens are had and nothing else, likewise. */
  readonly tokens: (at: number) => RequestListener;
  /** Do clients send bodies to it? */
  readonly takesBodies: boolean;
  /** To each registry, and to each of the pages beside. */
  readonly connections: { readonly registry: number; readonly aside: number };
}

/** The further doors of the configuration. */
export interface Listeners extends AsyncDisposable {
  readonly servers: readonly RunningServer[];
}

/** Opens them in their order. Throws CannotListen, and an Error that names the key for certificates that cannot be used. */
export async function openListeners(parts: Parts): Promise<Listeners> {
  await using stack = new AsyncDisposableStack();
  const servers: RunningServer[] = [];
  for (const index of parts.config.listeners.keys()) servers.push(await opened(index, parts, stack));
  const held = stack.move();
  return { servers, [Symbol.asyncDispose]: async () => await held.disposeAsync() };
}

async function opened(at: number, parts: Parts, stack: AsyncDisposableStack): Promise<RunningServer> {
  const { config, clock, log, takesBodies, connections } = parts;
  const { serve, tls } = config.listeners[at] ?? {};
  const isRegistry = serve === 'registry';
  const certificates =
    tls === undefined
      ? undefined
      : await ServerCertificates.open({ serverTlsConfig: tls }, { clock, log }, `listeners[${at}].tls`);
  const server = stack.use(
    await listen(served(at, parts), {
      ...{ config, clock, log, at, tls: certificates?.tls },
      maxConnections: isRegistry ? connections.registry : connections.aside,
      takesBodies: isRegistry && takesBodies,
    }),
  );
  if (certificates !== undefined) stack.use(certificates.renew((renewed) => server.useTls(renewed)));
  return server;
}

function served(at: number, { config, admit, clock, log, registry, tokens }: Parts): RequestListener {
  const { directory = '', serve } = config.listeners[at] ?? {};
  if (serve === 'registry') return registry(at);
  return serve === 'token' ? tokens(at) : createIndexFiles({ directory, admit, log, clock });
}
