import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestKind } from '../../observe/observer.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Outcome } from '../../oci/outcome.ts';
import type { Reference, RegistryHost, RepositoryName } from '../../oci/reference.ts';
import type { KnownCaller } from './known-caller.ts';
import type { RequestTarget } from './request-target.ts';

/** A manifest that was sent, and by which name it was asked for. */
export interface Pulled {
  readonly repository: RepositoryName;
  readonly reference: Reference;
  readonly descriptor: Descriptor;
}

/** What the access log, and whoever watches, want to know of an exchange that is over. Moments are those of `performance.now()`. */
export interface EndedExchange {
  readonly request: Pick<IncomingMessage, 'headers' | 'method' | 'socket'>;
  readonly response: Pick<ServerResponse, 'statusCode' | 'writableFinished'>;
  readonly target: Pick<RequestTarget, 'shown'>;
  /** For the log, and the client: `X-Request-Id`. */
  readonly id: string;
  readonly startedAt: number;
  /** When the first byte of the body was sent. */
  readonly firstByteAt: number | undefined;
  /** What it was about, by its path. */
  readonly kind: RequestKind;
  /** The registry that it was about. */
  readonly host: RegistryHost | undefined;
  readonly outcome: Outcome | undefined;
  /** Undefined: it was another answer. */
  readonly pulled: Pulled | undefined;
  /** Bytes of the body that was sent. */
  readonly bytes: number;
  /** Did we end the answer in its middle? */
  readonly brokeOff: boolean;
  /** Why the list that was sent is not the whole, in words. */
  readonly incomplete: string | undefined;
  /** What went wrong, in words. */
  readonly failure: string | undefined;
  /** Who asked; undefined: nobody was asked. */
  readonly known: KnownCaller | undefined;
  /** Who asked for a token and was found to be he: to the door he is nobody yet. */
  readonly subject?: string | undefined;
}
