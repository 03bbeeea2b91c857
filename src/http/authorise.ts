import type { IncomingMessage } from 'node:http';
import type { RepositoryName } from '../oci/reference.ts';
import type { Request } from '../oci/request.ts';

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
}

export interface Access {
  readonly action: Action;
  /** As in {@link Request}: what it says besides is not judged yet, be it another repository (`from`). Undefined: it is one of our own. */
  readonly request: Request | undefined;
  /** With its registry in front. Undefined: it is about none, or names none that there could be, which is said to whoever may come in. */
  readonly repository: RepositoryName | undefined;
  readonly caller: Caller;
}

/**
 * May it? Asked once for each request below `/v2/` that is served at all, before anything is read or told of what it is about. Throws
 * RegistryError for no: UNAUTHORIZED with a `WWW-Authenticate`, DENIED.
 */
export type Authorise = (access: Access) => void | Promise<void>;

/** Nobody is asked who he is. */
export const admitAll: Authorise = () => {};

export function callerOf({ socket, headers }: IncomingMessage): Caller {
  return { address: socket.remoteAddress, authorization: headers.authorization };
}
