import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { CountedLines } from '../base/counted-lines.ts';
import type { Log } from '../base/log.ts';

/** What became of a handshake, to whoever has to mend it, by Node's codes: those of alerts (RFC 8446 section 6) end in the alert's name. */
const reasons: readonly [codes: RegExp, message: string][] = [
  [
    /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNSUPPORTED_CERTIFICATE)$/,
    'clients do not trust the certificate of this server: they need its authority (in containerd’s hosts.toml: ca), and a name that it is for',
  ],
  [
    /ALERT_CERTIFICATE_EXPIRED$/,
    'clients take the certificate of this server for expired: it has to be renewed, or their clock is wrong',
  ],
  [
    /^ERR_SSL_HTTP_REQUEST$/,
    'clients speak plain HTTP at this port, which is TLS: they need its address with https',
  ],
  [
    /PEER_DID_NOT_RETURN_A_CERTIFICATE$/,
    'clients show no certificate, which clientAuth wants of them (serverTlsConfig, or tls of the listener)',
  ],
  [
    /UNSUPPORTED_PROTOCOL|NO_SHARED_CIPHER|ALERT_PROTOCOL_VERSION|ALERT_HANDSHAKE_FAILURE/,
    'clients have no version or no cipher of TLS in common with this server, which speaks TLS 1.2 and 1.3',
  ],
];
const notBelieved =
  'clients show a certificate that is not believed: it must be signed by the authority in ca (of serverTlsConfig, or tls of the listener), and not have expired';
const tlsAtPlain =
  'clients speak TLS at this port, which is plain HTTP: they need its address with http, or the server needs serverTlsConfig';
const noHandshake = 'what clients send at this port, which is TLS, is no handshake that it understands';

/** Who comes and goes without a word, as load balancers do to see whether somebody is there. */
const left: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ERR_TLS_HANDSHAKE_TIMEOUT', 'ETIMEDOUT']);

/**
 * Says why clients get no connection, which nobody else can tell them: no answer reaches who speaks TLS to plain HTTP, or does not believe
 * us. As an error, since none of their pulls works.
 */
export class FailedHandshakes {
  readonly #lines: CountedLines;

  constructor(log: Log, clock: Clock) {
    // A logger wants to be called as itself.
    this.#lines = new CountedLines({ clock, write: (fields, message) => log.error(fields, message) });
  }

  /** Of a TLS server: `tlsClientError`. */
  readonly tls = ({ code = '' }: NodeJS.ErrnoException, socket: TLSSocket): void => {
    // Node says so where the handshake itself was right, and closes then.
    const { authorizationError } = socket as Partial<Pick<TLSSocket, 'authorizationError'>>;
    if (authorizationError) this.#write(notBelieved, String(authorizationError), socket);
    else if (!left.has(code))
      this.#write(reasons.find(([codes]) => codes.test(code))?.[1] ?? noHandshake, code, socket);
  };

  /** Of a plain server: `clientError`. */
  readonly plain = ({ rawPacket }: Error & { readonly rawPacket?: Uint8Array }, socket: Socket): void => {
    // A record of a handshake, of any version (RFC 8446 section 5.1).
    if (rawPacket?.[0] === 22 && rawPacket[1] === 3) this.#write(tlsAtPlain, undefined, socket);
  };

  #write(message: string, code: string | undefined, { remoteAddress, localPort }: Socket): void {
    this.#lines.write({ client: remoteAddress, port: localPort, code }, message);
  }
}
