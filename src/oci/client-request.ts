/** A client's request, as far as whoever is told of it may know it. */
export interface ClientRequest {
  /** As in `X-Request-Id`. */
  readonly id: string;
  /** The connection's address. */
  readonly address: string | undefined;
  readonly host: string | undefined;
  readonly method: string;
  readonly userAgent: string | undefined;
  /** The name of whoever asked, as far as the door knows him. */
  readonly actor?: string | undefined;
}
