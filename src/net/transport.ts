import type { AnswerRoom, Turn } from '../oci/registry.ts';
import type { Kind } from '../oci/request.ts';
import type { Scope } from '../oci/scope.ts';
import type { Wording } from '../oci/wording.ts';

/** One HTTP request as a registry client needs it. */
export interface TransportRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  /** What of the API it is. Default: what its path says. */
  readonly kind?: Kind | undefined;
  /** Path and query letter by letter as a Location gave them: a signature covers them. Default: those of `url`. */
  readonly target?: string | undefined;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** The answer's body may be large and take long. */
  readonly bulk?: boolean | undefined;
  readonly turn?: Turn | undefined;
  /** A success's body has at most so many bytes and is wanted whole: it may be read, and asked for again, before there is an answer. */
  readonly maxBodyBytes?: number | undefined;
  /** What the body is to be counted for before it is read, where that is to outlive the response. */
  readonly room?: AnswerRoom | undefined;
  /** Never to be sent again, also when its answer was cut: what it carries may be good once. */
  readonly once?: boolean | undefined;
  /** What the request needs to be authorised for. */
  readonly scope?: Scope | undefined;
  /** The repository that the request is about, by its path at the registry: credentials may be by repository. */
  readonly repository?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Dispose it, read or not: an unread body holds its connection. */
export interface TransportResponse extends AsyncDisposable {
  readonly status: number;
  /** Lower-case names; repeated headers joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
  /** Breaks off with the cause. Chunks are the reader's for good. */
  readonly body: AsyncIterable<Buffer>;
  /** Of an answer that is no success: what it must not be quoted with, though upstream may say it. Secret. */
  readonly secrets?: (() => readonly string[]) | undefined;
  /** Of an answer that is no success: as whom it was asked, for the end of a sentence. Absent: as nobody, and nobody expects otherwise. */
  readonly who?: Wording | undefined;
  /** Takes back what nobody reads any more, once, to receive into it again. */
  readonly giveBack?: ((chunk: Uint8Array) => void) | undefined;
  /** For how many milliseconds our own limits have held the body up so far. Absent: never. */
  readonly heldUpMs?: (() => number) | undefined;
}

/** The response, if it is no success, with more that must not be quoted, and as whom it was asked. */
export function confiding(
  response: TransportResponse,
  secrets: () => readonly string[],
  who = response.who,
): TransportResponse {
  if (response.status < 400) return response;
  return { ...response, secrets: () => [...(response.secrets?.() ?? []), ...secrets()], who };
}

/** The response; what it holds besides is released before it is disposed of, once or more often. */
export function holding(response: TransportResponse, release: () => void): TransportResponse {
  return {
    ...response,
    async [Symbol.asyncDispose]() {
      release();
      await response[Symbol.asyncDispose]();
    },
  };
}

/**
 * One HTTP exchange. Auth, redirects, retries and limits are wrappers of the same shape. Any status is an answer, not
 * an error; rejects with RegistryError UNAVAILABLE (502 no connection, 504 time-out), DENIED (the address guard) or
 * the signal's reason.
 */
export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>;
}
