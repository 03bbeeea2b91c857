import type { Clock } from '../base/clock.ts';
import type { Config, RegistryConfig } from '../config/schema.ts';
import type { Connect } from '../credentials/providers/provider.ts';
import { readBody } from '../net/body.ts';
import type { NameLookups } from '../net/dial/name-lookups.ts';
import type { ProxyChoice } from '../net/dial/proxy-choice.ts';
import type { SocketLimit } from '../net/dial/socket-limit.ts';
import type { TlsTrust } from '../net/dial/tls-trust.ts';
import { HttpTransport } from '../net/wire/http-transport.ts';
import { overridden } from './policies.ts';
import { tlsSettings } from './registry-upstream.ts';

/** What connections for a registry are made with, whoever is asked for its sake. */
export interface ConnectionParts {
  readonly config: Config;
  readonly userAgent: string;
  /** Shared by all registries. */
  readonly trust: TlsTrust;
  /** Likewise. */
  readonly names: NameLookups;
  /** Likewise. */
  readonly sockets?: Pick<SocketLimit, 'reserve'>;
  readonly clock: Clock;
  /** Those of the registry. */
  readonly proxies: ProxyChoice;
}

/** What a source of credentials may take to answer: it is waited for as a part of one request. Milliseconds. */
const answerTimeoutMs = 10_000;
/** Tokens, and what goes with them. */
const maxBytes = 64 * 1024;
const maxConcurrent = 4;

/**
 * How a registry's source of credentials reaches its cloud: by the same proxies, names, authorities and limits of time as the
 * registry. Plain http is spoken by the services of a machine for itself, which no proxy can reach. Where transfers have all sockets, these have
 * some of their own: everything that the registry is asked for waits for its credentials.
 */
export function cloudConnections(
  registry: RegistryConfig,
  { config, proxies, sockets, ...parts }: ConnectionParts,
): Connect {
  const { connectTimeout, stallTimeout } = overridden(config.upstream, registry.upstream);
  const settings = {
    ...parts,
    hostname: new URL(`https://${registry.name}`).hostname,
    tls: tlsSettings(config, registry),
    connectTimeoutMs: Math.min(connectTimeout, answerTimeoutMs),
    headersTimeoutMs: answerTimeoutMs,
    stallTimeoutMs: Math.min(stallTimeout, answerTimeoutMs),
    maxConcurrent,
    sockets: sockets?.reserve,
    proxies: { of: (url: URL) => (url.protocol === 'https:' ? proxies.of(url) : undefined) },
  };
  return (guard) => {
    const transport = new HttpTransport({ ...settings, guard });
    return {
      async ask(request) {
        await using answer = await transport.send(request);
        const { status, headers } = answer;
        const what = `the answer of ${request.url.origin} is`;
        return { status, headers, body: await readBody(answer, { maxBytes, what, signal: request.signal }) };
      },
      [Symbol.asyncDispose]: async () => await transport[Symbol.asyncDispose](),
    };
  };
}
