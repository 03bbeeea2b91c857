import { askedScopes } from '../tokens/asked-scopes.ts';
import type { OAuthClient, OAuthClients } from '../tokens/oauth-clients.ts';
import { implicit } from '../tokens/oauth-service.ts';
import { TokenError } from '../tokens/token-error.ts';
import { isChallenge } from './pkce.ts';
import { isRegistered, withParameters } from './redirect-uri.ts';

/** What a client has sent a user for (RFC 6749 section 4.1.1). */
export interface AuthorizationRequest {
  readonly client: OAuthClient;
  readonly redirectUri: string;
  readonly state: string | undefined;
  readonly scopes: readonly string[];
  readonly challenge: string;
}

export type ReadRequest =
  /** He is to be asked. */
  | { readonly kind: 'asked'; readonly request: AuthorizationRequest }
  /** He is sent back with an error. */
  | { readonly kind: 'refused'; readonly location: string; readonly why: string }
  /** Whom he would be sent back to is not known: he stays here. */
  | { readonly kind: 'fault'; readonly why: string };

interface Sender {
  readonly client: OAuthClient;
  readonly redirectUri: string;
}

/** Where he goes with the answer, which says by whom it is (RFC 9207). */
export function backTo(
  { redirectUri, state }: Pick<AuthorizationRequest, 'redirectUri' | 'state'>,
  issuer: string,
  answer: Readonly<Record<string, string>>,
): string {
  return withParameters(redirectUri, { ...answer, state, iss: issuer });
}

/** Nobody is sent to where nobody has said that he may be (RFC 9700 section 4.11). */
export function readRequest(query: URLSearchParams, clients: OAuthClients, issuer: string): ReadRequest {
  const sender = senderIn(query, clients);
  if (typeof sender === 'string') return { kind: 'fault', why: sender };
  const state = query.get('state') ?? undefined;
  try {
    return { kind: 'asked', request: { ...sender, state, ...askedIn(query, sender.client) } };
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const answer = { error: error.code, error_description: error.message };
    const location = backTo({ ...sender, state }, issuer, answer);
    return { kind: 'refused', location, why: error.message };
  }
}

/** Else what is wrong with it. */
function senderIn(query: URLSearchParams, clients: OAuthClients): Sender | string {
  if (new Set(query.keys()).size < query.size) return 'A parameter is there more than once.';
  const client = clients.of(query.get('client_id') ?? '');
  if (client === undefined) return 'The program (client_id) is not known here.';
  const redirectUri = query.get('redirect_uri') ?? '';
  if (redirectUri === '') return 'It is not said where to go back to (redirect_uri).';
  if (isRegistered(client.redirectUris, redirectUri)) return { client, redirectUri };
  return 'The program may not be gone back to there: its redirect_uri is none of those that are registered.';
}

/** Throws TokenError. */
function askedIn(
  query: URLSearchParams,
  client: OAuthClient,
): { scopes: readonly string[]; challenge: string } {
  const type = query.get('response_type');
  if (type === null) throw new TokenError('invalid_request', 'response_type is missing');
  if (type.split(' ').includes('token')) throw new TokenError('unsupported_response_type', implicit);
  if (type !== 'code') throw new TokenError('unsupported_response_type', 'response_type is code here');
  if ((query.get('response_mode') ?? 'query') !== 'query')
    throw new TokenError('invalid_request', 'response_mode is query here');
  if (query.get('code_challenge_method') !== 'S256')
    throw new TokenError('invalid_request', 'code_challenge_method must be S256 (RFC 7636)');
  const challenge = query.get('code_challenge') ?? '';
  if (!isChallenge(challenge))
    throw new TokenError('invalid_request', 'code_challenge must be that of S256: 43 characters (RFC 7636)');
  return { scopes: askedScopes(client.scopes, query.get('scope') ?? undefined), challenge };
}
