import type { Exchange } from '../../http/exchange/exchange.ts';
import { RegistryError } from '../../oci/error.ts';
import { basicText } from '../identity/basic.ts';
import { basicChallenge } from '../identity/challenges.ts';
import type { Identification, Shown } from '../identity/identification.ts';
import type { Subject } from '../subject.ts';
import { type Access, askedAccess } from './asked-access.ts';
import type { DockerTokens } from './docker-tokens.ts';
import { type GrantingParts, grantedAccess } from './granted-access.ts';
import { type Form, refuseSecretsIn, sentForm } from './sent-form.ts';
import { TokenError } from './token-error.ts';
import { faultOfToken } from './token-fault.ts';

export interface DockerTokenServiceParts extends GrantingParts {
  readonly tokens: DockerTokens;
  readonly service: string;
  /** Takes passwords alone. */
  readonly identification: Pick<Identification, 'identify'>;
  /** Where the caller is, as far as it is known. */
  readonly addressOf: (exchange: Exchange) => string | undefined;
  /** The name in his certificate. Undefined: he has shown none. */
  readonly certificateOf: (exchange: Exchange) => string | undefined;
}

interface Asked {
  readonly subject: Subject;
  readonly exchange: Exchange;
  readonly scopes: readonly string[];
  /** Does he want a refresh token? */
  readonly isOffline: boolean;
}

/** Docker's token service (distribution, "Token Authentication Specification" and "OAuth2 Token Authentication"). */
export class DockerTokenService {
  readonly #parts: DockerTokenServiceParts;

  constructor(parts: DockerTokenServiceParts) {
    this.#parts = parts;
  }

  /** `GET /v2/token`. Throws UNAUTHORIZED (401), UNSUPPORTED (400), TOOMANYREQUESTS (429), UNAVAILABLE (503), TokenError (400). */
  async get(exchange: Exchange): Promise<object> {
    const { query, request } = exchange;
    refuseSecretsIn(exchange);
    this.#checkService(query.get('service') ?? undefined);
    const { authorization } = request.headers;
    const subject = await this.#known({ address: this.#parts.addressOf(exchange), authorization });
    const isOffline = query.get('offline_token') === 'true';
    const scopes = query.getAll('scope');
    const { token, ...rest } = await this.#answer({ subject, exchange, scopes, isOffline });
    return { token, access_token: token, ...rest };
  }

  /** `POST /v2/token`. Throws as {@link get}, and TokenError (400, 401). */
  async post(exchange: Exchange): Promise<object> {
    refuseSecretsIn(exchange);
    const form = await sentForm(exchange);
    this.#checkService(form.get('service'));
    const subject = await this.#grantee(form, this.#parts.addressOf(exchange));
    const isOffline = form.get('access_type') === 'offline' && form.get('grant_type') === 'password';
    const scopes = [form.get('scope') ?? ''];
    const { token, ...rest } = await this.#answer({ subject, exchange, scopes, isOffline });
    return { access_token: token, token_type: 'Bearer', ...rest };
  }

  async #answer({ subject, exchange, scopes, isOffline }: Asked): Promise<{ readonly token: string }> {
    const { tokens } = this.#parts;
    const asked = askedAccess(scopes);
    const asking = this.#withCertificate(subject, exchange);
    exchange.subject = asking.id;
    const access = grantedAccess(asked, asking, this.#parts);
    if (subject.id === undefined && asked.length > 0 && access.length === 0) throw unauthorized();
    const made = await tokens.access(subject.id, access);
    const refresh = isOffline && subject.id !== undefined ? await tokens.refresh(subject.id) : undefined;
    return {
      token: made.token,
      ...{ expires_in: made.expiresIn, issued_at: new Date(made.issuedAt * 1000).toISOString() },
      ...{ scope: access.map(wordOf).join(' ') },
      ...(refresh !== undefined && { refresh_token: refresh }),
    };
  }

  /** Without a name he may have what his certificate is good for; the token is for nobody in particular, and good for it with that certificate alone. */
  #withCertificate(subject: Subject, exchange: Exchange): Subject {
    const certificate = subject.id === undefined ? this.#parts.certificateOf(exchange) : undefined;
    return certificate === undefined ? subject : { ...subject, id: certificate, by: 'certificate' };
  }

  async #known(shown: Shown): Promise<Subject> {
    return await this.#parts.identification.identify(shown, () => unauthorized());
  }

  async #grantee(form: Form, address: string | undefined): Promise<Subject> {
    switch (form.get('grant_type')) {
      case 'password':
        return await this.#known({ address, authorization: basicOf(form) });
      case 'refresh_token':
        return { id: await this.#refreshing(form), by: 'password', groups: [], address };
      default:
        throw new TokenError('unsupported_grant_type', 'grant_type is password or refresh_token here');
    }
  }

  async #refreshing(form: Form): Promise<string> {
    const token = form.get('refresh_token');
    if (token === undefined) throw new TokenError('invalid_request', 'refresh_token is missing');
    try {
      const user = await this.#parts.tokens.userOf(token);
      if (user !== undefined) return user;
    } catch (error) {
      if (faultOfToken(error) === undefined) throw error;
    }
    throw new TokenError('invalid_grant', 'the refresh token is not good any more: log in again', {
      status: 401,
    });
  }

  #checkService(asked: string | undefined): void {
    const { service } = this.#parts;
    if (asked === undefined || asked === '' || asked === service) return;
    throw new RegistryError('UNSUPPORTED', `tokens are issued for the service ${service} alone`, {
      status: 400,
    });
  }
}

/** As it would stand in a header: there is one way in which passwords are looked at. */
function basicOf(form: Form): string {
  const [user, password] = [form.get('username'), form.get('password')];
  if (user === undefined || password === undefined)
    throw new TokenError('invalid_request', 'username or password is missing');
  const authorization = basicText({ user, password });
  if (authorization === undefined) throw new TokenError('invalid_request', 'a username has no colon');
  return authorization;
}

function wordOf({ type, name, actions }: Access): string {
  return `${type}:${name}:${actions.join(',')}`;
}

function unauthorized(): RegistryError {
  return new RegistryError(
    'UNAUTHORIZED',
    'the user or the password is wrong, or nobody may have this without',
    {
      headers: { 'WWW-Authenticate': basicChallenge },
    },
  );
}
