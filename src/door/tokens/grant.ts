import type { Exchange } from '../../http/exchange/exchange.ts';
import type { OAuthClient } from './oauth-clients.ts';
import type { Form } from './sent-form.ts';

/** A user in whose name a client acts. */
export interface GrantingUser {
  readonly name: string;
  /** Of his password as it was then (`password-stamp.ts`). */
  readonly stamp: string;
}

/** What a token is made for. */
export interface Granted {
  readonly scopes: readonly string[];
  /** Undefined: the client itself. */
  readonly user?: GrantingUser | undefined;
  /** Secret: what the next token is had with. */
  readonly refreshToken?: string | undefined;
}

interface GrantRequest {
  /** It has shown who it is, and may use this grant. */
  readonly client: OAuthClient;
  readonly form: Form;
  readonly exchange: Exchange;
}

/** Throws TokenError for what gives no token, RegistryError (429, 503) where it cannot be said. */
export type Grant = (request: GrantRequest) => Granted | Promise<Granted>;
