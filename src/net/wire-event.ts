/** A name that was looked up. */
export interface LookupEvent {
  readonly kind: 'lookup';
  readonly origin: string;
  /** All that it has, whether they may be connected to or not. */
  readonly addresses: readonly string[];
  readonly ms: number;
}

/** A connection that was made. */
export interface ConnectionEvent {
  readonly kind: 'connection';
  readonly origin: string;
  /** Undefined: it is made by a proxy, which does not say. */
  readonly address: string | undefined;
  readonly tls: TlsFacts | undefined;
  /** With the lookup of the name. */
  readonly ms: number;
}

export interface TlsFacts {
  readonly protocol: string;
  /** Who signed the certificate; empty: it does not say. */
  readonly issuer: string;
  readonly validTo: string;
  /** False: it does not hold, and `insecureSkipVerify` let it pass. */
  readonly isTrusted: boolean;
}

/** A request with its answer, or without one. */
export interface ExchangeEvent {
  readonly kind: 'exchange';
  /** Whom it was sent to: the registry, with whom it redirects to, or a token server. */
  readonly to: 'registry' | 'token server';
  readonly method: string;
  readonly url: URL;
  /** The scheme of the Authorization header that was sent, in lower case: `basic`, `bearer`. */
  readonly authorization: string | undefined;
  readonly answer: WireAnswer | { readonly error: unknown };
  /** With the connection, where one was made for it. */
  readonly ms: number;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** What happens between us and an upstream, as it happens. Times in milliseconds. Of what we send it holds no secret. */
export type WireEvent = LookupEvent | ConnectionEvent | ExchangeEvent;

export type OnWireEvent = (event: WireEvent) => void;
