import { networkOf } from '../../base/network-of.ts';
import type { Exchange } from '../../http/exchange/exchange.ts';
import type { OAuthClient, OAuthClients } from './oauth-clients.ts';
import type { OAuthTokens } from './oauth-tokens.ts';
import { refuseSecretsIn, sentForm } from './sent-form.ts';
import { TokenError } from './token-error.ts';

export interface OAuthServiceParts {
  readonly clients: OAuthClients;
  readonly tokens: OAuthTokens;
  /** Where the caller is, as far as it is known. */
  readonly addressOf: (exchange: Exchange) => string | undefined;
}

/** Of RFC 6749 section 3.3. */
const scopeWord = /^[\x21\x23-\x5B\x5D-\x7E]+$/;
const implicit =
  'the implicit grant is not done: its token passes through a URL, where it is seen and kept by others (RFC 9700 section 2.1.2)';

/** The token endpoint of OAuth2 for programs: `client_credentials` (RFC 6749 section 4.4). */
export class OAuthService {
  readonly #parts: OAuthServiceParts;

  constructor(parts: OAuthServiceParts) {
    this.#parts = parts;
  }

  /** `POST /token`. Throws TokenError (400, 401), RegistryError (413, 408, 429). */
  async post(exchange: Exchange): Promise<object> {
    refuseSecretsIn(exchange);
    const form = await sentForm(exchange);
    refuseOtherGrants(form.get('grant_type'));
    const { clients, tokens, addressOf } = this.#parts;
    const network = networkOf(addressOf(exchange) ?? '');
    const client = clients.authenticated(exchange.request.headers.authorization, form, network);
    exchange.subject = client.id;
    const scopes = scopesOf(client, form.get('scope'));
    const { token, expiresIn } = await tokens.make({ client: client.id, secret: client.secret, scopes });
    return {
      ...{ access_token: token, token_type: 'Bearer', expires_in: expiresIn },
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    };
  }

  /** `/authorize`: nobody is asked there. Throws TokenError. */
  authorize({ query }: Exchange): never {
    if (query.get('response_type')?.split(' ').includes('token') === true)
      throw new TokenError('unsupported_response_type', implicit);
    throw new TokenError('unsupported_response_type', 'programs ask for tokens with client_credentials');
  }
}

function refuseOtherGrants(grant: string | undefined): void {
  if (grant === 'client_credentials') return;
  if (grant === undefined) throw new TokenError('invalid_request', 'grant_type is missing');
  if (grant === 'implicit') throw new TokenError('unsupported_grant_type', implicit);
  throw new TokenError('unsupported_grant_type', 'grant_type is client_credentials here');
}

/** Nothing asked for, or a blank, is all that he may have. */
function scopesOf({ scopes }: OAuthClient, asked: string | undefined): readonly string[] {
  const words = [...new Set((asked ?? '').split(' ').filter((word) => word !== ''))];
  if (words.length === 0) return scopes;
  if (words.every((word) => scopeWord.test(word) && scopes.includes(word))) return words;
  throw new TokenError('invalid_scope', 'the client may not ask for this scope');
}
