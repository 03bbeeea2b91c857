import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { isLoopback } from '../base/loopback.ts';
import { networkOf } from '../base/network-of.ts';
import { WrongGuesses } from '../door/wrong-guesses.ts';
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

/** What whoever forwards a request says of that: any of them, for a proxy of this machine, or one beside us in a pod, would make everybody local. */
const forwarding =
  /^(?:forwarded|via|x-forwarded.*|x-(?:real|client|cluster-client|original|envoy)-.*|true-client-ip|cf-.*|l5d-.*)$/;

/**
 * Who may administer: with a credential whoever shows it, wherever he is; without one whoever is on this machine, as far as the connection and the request
 * say so. A web page that somebody on this machine looks at may not.
 */
export class Guard {
  readonly #settings: GuardSettings;
  readonly #guesses: WrongGuesses;

  constructor(settings: GuardSettings) {
    this.#settings = settings;
    this.#guesses = new WrongGuesses(settings.clock);
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
    this.#guesses.check(network);
    const scheme = credential.shownBy(authorization);
    if (scheme === undefined) {
      this.#guesses.add(network, authorization);
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
