import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { DeadlineTransport } from '../net/deadline.ts';
import { AddressGuard } from '../net/dial/address-guard.ts';
import type { Transport } from '../net/transport.ts';
import { HttpTransport } from '../net/wire/http-transport.ts';
import type { Dialling } from './notifying.ts';
import { proxiesOf } from './policies.ts';
import { tlsSettings } from './registry-upstream.ts';

/** Somebody waits for it at the door. Milliseconds. */
const answerMs = 5000;

/**
 * How the keys of an issuer are had: by the same proxies, names and authorities as the registries. `url` is the operator's choice, wherever it is. Where its configuration
 * says that the keys are is not: for that the same holds as for what a registry refers to.
 */
export function issuerTransport(
  url: URL,
  config: Config,
  { dialling, clock, log }: { readonly dialling: Dialling; readonly clock: Clock; readonly log: Log },
): Transport & AsyncDisposable {
  const { names, sockets, trust, userAgent, env } = dialling;
  const { connectTimeout, stallTimeout } = config.upstream;
  const guard = new AddressGuard({
    ...{ what: 'issuer', host: url.host, origin: url, configured: true, unknownRegistries: 'none' },
    onRefusal: ({ hostname: name }, address) =>
      log.error({ name, address }, 'an address that is not public is refused to an issuer of tokens'),
  });
  const wire = new HttpTransport({
    ...{ clock, names, trust, userAgent, guard, hostname: url.hostname },
    sockets: sockets.reserve,
    tls: tlsSettings(config, undefined),
    proxies: proxiesOf(config, undefined, env),
    connectTimeoutMs: Math.min(connectTimeout, answerMs),
    headersTimeoutMs: answerMs,
    stallTimeoutMs: Math.min(stallTimeout, answerMs),
    maxConcurrent: 1,
  });
  const timed = new DeadlineTransport(wire, { clock, milliseconds: answerMs, withBody: true });
  return {
    send: async (request) => await timed.send(request),
    [Symbol.asyncDispose]: async () => await wire[Symbol.asyncDispose](),
  };
}
