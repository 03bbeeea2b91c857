import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { Expiring } from '../base/expiring.ts';
import { isLoopback } from '../base/loopback.ts';
import { networkOf } from '../base/network-of.ts';
import { RegistryError } from '../oci/error.ts';
import type { AdminCredential } from './credential.ts';
import { otherPageBehind, pageBehind } from './web-pages.ts';

/** Whoever asks, by what cannot be made up (the connection) and by what can. */
export interface Asker {
  /** Of the connection; undefined: it is closed. */
  readonly address: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly httpVersion: string;
  /** Does the request line name a server, as one to a proxy does? */
  readonly isAbsolute: boolean;
}

/** By what he was let in. */
export type Who = 'loopback' | 'admin.user' | 'admin.token';

export interface GuardSettings {
  /** Undefined: only who is on this machine may call. */
  readonly credential: AdminCredential | undefined;
  readonly publicUrl: URL | undefined;
  readonly clock: Clock;
}

/** So often an address may show a wrong credential in a minute. */
const maxFailures = 10;
const failuresMs = 60_000;
/** So many addresses are remembered that have. */
const maxAddresses = 1000;

/** What whoever forwards a request says of that: any of them, for a proxy of this machine, or one beside us in a pod, would make everybody local. */
const forwarding =
  /^(?:forwarded|via|x-forwarded.*|x-(?:real|client|cluster-client|original|envoy)-.*|true-client-ip|cf-.*|l5d-.*)$/;

/**
 * Who may administer: with a credential whoever shows it, wherever he is; without one whoever is on this machine, as far as the connection and the request
 * say so. A web page that somebody on this machine looks at may not.
 */
export class Guard {
  readonly #settings: GuardSettings;
  readonly #failures: Expiring<{ count: number }>;

  constructor(settings: GuardSettings) {
    this.#settings = settings;
    this.#failures = new Expiring(settings.clock, maxAddresses);
  }

  /** Throws DENIED (403) with the reason, UNAUTHORIZED (401) with a challenge, TOOMANYREQUESTS (429). */
  admit(asker: Asker): Who {
    const { credential } = this.#settings;
    return credential === undefined ? this.#local(asker) : this.#known(credential, asker);
  }

  #local({ address, headers, httpVersion, isAbsolute }: Asker): Who {
    if (!isLoopback(address))
      throw denied('only who connects by loopback may ask: for others configure a credential (admin)');
    const header = Object.keys(headers).find((name) => forwarding.test(name));
    if (header !== undefined)
      throw denied(`a proxy has forwarded it (${header}): configure a credential (admin)`);
    // As proxies do that say nothing of themselves.
    if (httpVersion !== '1.1' || isAbsolute)
      throw denied('it was sent as proxies send (HTTP/1.0, or a whole URL): configure a credential (admin)');
    const reason = pageBehind({ headers, publicUrl: this.#settings.publicUrl });
    if (reason !== undefined) throw denied(reason);
    return 'loopback';
  }

  #known(credential: AdminCredential, { address = '', headers }: Asker): Who {
    const { authorization } = headers;
    const { challenge } = credential;
    if (authorization === undefined)
      throw unauthorized('these calls need the credential of admin', challenge);
    const network = networkOf(address);
    const failures = this.#failures.get(network) ?? { count: 0 };
    // Before it is looked at: else wrong ones would be told from the right one as often as anybody likes.
    if (failures.count >= maxFailures) throw tooMany();
    const scheme = credential.shownBy(authorization);
    if (scheme === undefined) {
      if (failures.count === 0) this.#failures.set(network, failures, failuresMs);
      failures.count += 1;
      throw unauthorized('this is not the credential of admin', challenge);
    }
    if (scheme === 'bearer') return 'admin.token';
    const reason = otherPageBehind({ headers, publicUrl: this.#settings.publicUrl });
    if (reason !== undefined) throw denied(reason);
    return 'admin.user';
  }
}

function denied(reason: string): RegistryError {
  return new RegistryError('DENIED', `administration is refused: ${reason}`);
}

function unauthorized(message: string, challenge: string): RegistryError {
  return new RegistryError('UNAUTHORIZED', message, { headers: { 'WWW-Authenticate': challenge } });
}

function tooMany(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', 'too many wrong credentials came from this address', {
    headers: { 'Retry-After': String(failuresMs / 1000) },
  });
}
