import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { RepositoryName } from '../oci/reference.ts';
import type { Request } from '../oci/request.ts';
import type { KnownCaller } from './exchange/known-caller.ts';

/**
 * What is done with a repository, in the words of token scopes (distribution, "Token Scope Documentation"); `catalog` is
 * `registry:catalog:*`. Whoever asks for the `version` wants to know whether he is known, and whoever asks for the `login` how to become so.
 */
export type Action = 'pull' | 'push' | 'delete' | 'catalog' | 'version' | 'login';

/** Who asks, by what he shows. Nobody has looked at it. */
export interface Caller {
  /** The address of the connection; that of a proxy, where one stands between. */
  readonly address: string | undefined;
  /** The header Authorization: a secret. */
  readonly authorization: string | undefined;
  /** The header X-Forwarded-For: whoever the request passed may have written it, and the client himself. */
  readonly forwardedFor: string | undefined;
  /** The header User-Agent. */
  readonly agent?: string | undefined;
  /** The name in his certificate, which was verified. Undefined: he has shown none. */
  readonly certificate: string | undefined;
}

export interface Access {
  readonly action: Action;
  /** As in {@link Request}: what it says besides is not judged yet, be it another repository (`from`). Undefined: it is one of our own. */
  readonly request: Request | undefined;
  /** With its registry in front. Undefined: it is about none, or names none that there could be, which is said to whoever may come in. */
  readonly repository: RepositoryName | undefined;
  readonly caller: Caller;
  /** Told who he is, before there is a verdict. Not told: he is nobody, and nothing else of the request depends on him. */
  readonly tell?: ((known: KnownCaller) => void) | undefined;
}

/**
 * May it? Asked once for each request below `/v2/` that is served at all, before anything is read or told of what it is about. Throws
 * RegistryError for no: UNAUTHORIZED with a `WWW-Authenticate`, DENIED.
 */
export type Authorise = (access: Access) => void | Promise<void>;

/** Nobody is asked who he is. */
export const admitAll: Authorise = () => {};

export function callerOf({ socket, headers }: IncomingMessage): Caller {
  return {
    address: socket.remoteAddress,
    authorization: headers.authorization,
    forwardedFor: forwardedFor(headers['x-forwarded-for']),
    agent: headers['user-agent'],
    certificate: certificateOf(socket),
  };
}

/** Node has put together what came twice. */
function forwardedFor(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}

/** By connection: reading a certificate takes longer than an answer out of memory. */
const certificates = new WeakMap<Socket, string | undefined>();

function certificateOf(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  if (!certificates.has(socket)) certificates.set(socket, nameIn(socket));
  return certificates.get(socket);
}

/** Its common name; of several none is his. */
function nameIn(socket: TLSSocket): string | undefined {
  const { subject } = socket.getPeerCertificate() as Partial<ReturnType<TLSSocket['getPeerCertificate']>>;
  const name: unknown = subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
