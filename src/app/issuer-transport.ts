import type { Clock } from '../base/clock.ts';
import type { Config } from '../config/schema.ts';
import { DeadlineTransport } from '../net/deadline.ts';
import { operatorsChoice } from '../net/dial/operators-choice.ts';
import type { Transport } from '../net/transport.ts';
import { HttpTransport } from '../net/wire/http-transport.ts';
import type { Dialling } from './notifying.ts';
import { proxiesOf } from './policies.ts';
import { tlsSettings } from './registry-upstream.ts';

/** Somebody waits for it at the door. Milliseconds. */
const answerMs = 5000;

/** How the keys of an issuer are had: by the same proxies, names and authorities as the registries. */
export function issuerTransport(
  url: URL,
  config: Config,
  { dialling, clock }: { readonly dialling: Dialling; readonly clock: Clock },
): Transport & AsyncDisposable {
  const { names, sockets, trust, userAgent, env } = dialling;
  const { connectTimeout, stallTimeout } = config.upstream;
  const wire = new HttpTransport({
    ...{ clock, names, trust, userAgent, guard: operatorsChoice, hostname: url.hostname },
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
