import { randomUUID } from 'node:crypto';
import { HashedSecret } from '../../base/hashed-secret.ts';
import { basicIn } from '../identity/basic.ts';
import { basicChallenge } from '../identity/challenges.ts';
import type { WrongGuesses } from '../wrong-guesses.ts';
import type { GrantName } from './grant-name.ts';
import type { Form } from './sent-form.ts';
import { TokenError } from './token-error.ts';

export interface OAuthClient {
  readonly id: string;
  /** Secret. Undefined: it is a public client, which could not keep one (RFC 6749 section 2.1). */
  readonly secret: string | undefined;
  /** Those that he may ask for. */
  readonly scopes: readonly string[];
  /** How users read of it. */
  readonly name: string;
  readonly grants: readonly GrantName[];
  /** Where users are sent back to, each in full. */
  readonly redirectUris: readonly string[];
}

interface Shown {
  readonly id: string;
  readonly secret: string;
}

interface Registered {
  readonly client: OAuthClient;
  readonly secret: HashedSecret | undefined;
}

/** Programs, most with a secret of their own (RFC 6749 section 2.3). */
export class OAuthClients {
  readonly #clients: ReadonlyMap<string, Registered>;
  readonly #guesses: WrongGuesses;

  constructor(clients: readonly OAuthClient[], guesses: WrongGuesses) {
    this.#clients = new Map(
      clients.map((client) => [
        client.id,
        { client, secret: client.secret === undefined ? undefined : new HashedSecret(client.secret) },
      ]),
    );
    this.#guesses = guesses;
  }

  /** Undefined: there is no such client. */
  of(id: string): OAuthClient | undefined {
    return this.#clients.get(id)?.client;
  }

  /**
   * Who has shown his secret in the header or in the form, or has none and says his name in the form. `network`: where he is. Throws TokenError: invalid_client
   * (401), invalid_request; RegistryError: TOOMANYREQUESTS, where so many wrong ones came from there.
   */
  authenticated(authorization: string | undefined, form: Form, network: string): OAuthClient {
    const [id, secret] = [form.get('client_id'), form.get('client_secret')];
    if (authorization !== undefined) {
      if (secret !== undefined) throw new TokenError('invalid_request', 'the client is shown in two ways');
      const shown = shownIn(authorization);
      if (id !== undefined && shown !== undefined && shown.id !== id)
        throw new TokenError('invalid_request', 'the client is shown with two names');
      return this.#known(shown, network);
    }
    const named = id === undefined ? undefined : this.of(id);
    if (named !== undefined && named.secret === undefined && secret === undefined) return named;
    return this.#known(id === undefined || secret === undefined ? undefined : { id, secret }, network);
  }

  #known(shown: Shown | undefined, network: string): OAuthClient {
    if (shown === undefined) throw invalidClient();
    this.#guesses.check(network);
    const found = this.#clients.get(shown.id);
    const isRight = (found?.secret ?? nobodys).is(shown.secret);
    if (found !== undefined && isRight) return found.client;
    this.#guesses.add(network, JSON.stringify([shown.id, shown.secret]));
    throw invalidClient();
  }
}

/** Nobody knows it: whoever is not there takes as long as whoever has another one. */
const nobodys = new HashedSecret(randomUUID());

/** Both parts are written as in a form (RFC 6749 section 2.3.1), which clients leave out that have none but plain characters. */
function shownIn(authorization: string): Shown | undefined {
  const shown = basicIn(authorization);
  if (shown === undefined) return undefined;
  const [id, secret] = [decoded(shown.user), decoded(shown.password)];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function invalidClient(): TokenError {
  return new TokenError('invalid_client', 'the client or its secret is wrong', {
    status: 401,
    headers: { 'WWW-Authenticate': basicChallenge },
  });
}
