import { networkOf } from '../../base/network-of.ts';
import type { Exchange } from '../../http/exchange/exchange.ts';
import { askedScopes } from './asked-scopes.ts';
import type { Grant } from './grant.ts';
import { type GrantName, grantTypes } from './grant-name.ts';
import type { OAuthClients } from './oauth-clients.ts';
import type { OAuthTokens } from './oauth-tokens.ts';
import { refuseSecretsIn, sentForm } from './sent-form.ts';
import { TokenError } from './token-error.ts';

export interface OAuthServiceParts {
  readonly clients: OAuthClients;
  readonly tokens: OAuthTokens;
  /** Those that clients have besides `client_credentials`. */
  readonly grants: ReadonlyMap<GrantName, Grant>;
  /** Where the caller is, as far as it is known. */
  readonly addressOf: (exchange: Exchange) => string | undefined;
}

/** Why it is refused. */
export const implicit =
  'the implicit grant is not done: its token passes through a URL, where it is seen and kept by others (RFC 9700 section 2.1.2)';

/** Programs for themselves (RFC 6749 section 4.4): no refresh token, since they have a secret. */
const clientCredentials: Grant = ({ client, form }) => ({
  scopes: askedScopes(client.scopes, form.get('scope')),
});

/** The token endpoint of OAuth2 (RFC 6749 section 3.2). */
export class OAuthService {
  readonly #parts: OAuthServiceParts;
  readonly #grants: ReadonlyMap<string, readonly [name: GrantName, grant: Grant]>;

  constructor(parts: OAuthServiceParts) {
    this.#parts = parts;
    const grants = new Map(parts.grants).set('client_credentials', clientCredentials);
    this.#grants = new Map([...grants].map(([name, grant]) => [grantTypes[name], [name, grant]]));
  }

  /** `POST /token`. Throws TokenError (400, 401), RegistryError (413, 408, 429, 503). */
  async post(exchange: Exchange): Promise<object> {
    refuseSecretsIn(exchange);
    const form = await sentForm(exchange);
    const [name, grant] = this.#asked(form.get('grant_type'));
    const { clients, tokens, addressOf } = this.#parts;
    const network = networkOf(addressOf(exchange) ?? '');
    const client = clients.authenticated(exchange.request.headers.authorization, form, network);
    exchange.subject = client.id;
    if (!client.grants.includes(name))
      throw new TokenError('unauthorized_client', `the client may not use ${name}`);
    const { scopes, user, refreshToken } = await grant({ client, form, exchange });
    exchange.subject = user?.name ?? client.id;
    const { id, secret } = client;
    const { token, expiresIn } = await tokens.make({ client: id, secret, scopes, user });
    return {
      ...{ access_token: token, token_type: 'Bearer', expires_in: expiresIn },
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
      ...(refreshToken !== undefined && { refresh_token: refreshToken }),
    };
  }

  /** `/authorize` where no client may send users there. Throws TokenError. */
  authorize({ query }: Exchange): never {
    if (query.get('response_type')?.split(' ').includes('token') === true)
      throw new TokenError('unsupported_response_type', implicit);
    throw new TokenError('unsupported_response_type', 'programs ask for tokens with client_credentials');
  }

  #asked(type: string | undefined): readonly [name: GrantName, grant: Grant] {
    if (type === undefined) throw new TokenError('invalid_request', 'grant_type is missing');
    if (type === 'implicit') throw new TokenError('unsupported_grant_type', implicit);
    const found = this.#grants.get(type);
    if (found !== undefined) return found;
    const known = [...this.#grants.keys()].join(' or ');
    throw new TokenError('unsupported_grant_type', `grant_type is ${known} here`);
  }
}
