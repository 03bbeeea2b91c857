import type { Exchange } from '../../http/exchange/exchange.ts';
import { BrowserAnswer } from '../tokens/browser-answer.ts';
import type { OAuthClients } from '../tokens/oauth-clients.ts';
import { refuseSecretsIn } from '../tokens/sent-form.ts';
import type { AuthorizationCodes } from './authorization-codes.ts';
import { type AuthorizationRequest, backTo, readRequest } from './authorization-request.ts';
import { html } from './html.ts';
import { faultPage, page, sentTo } from './page.ts';
import { orBusy, sentFromHere } from './pages.ts';
import { formTarget } from './redirect-uri.ts';
import type { SignIn } from './sign-in.ts';
import { signInForm, whatFor } from './sign-in-form.ts';

export interface AuthorizePageParts {
  readonly clients: OAuthClients;
  readonly codes: AuthorizationCodes;
  readonly signIn: SignIn;
  /** As users have it, and the name of this server to clients (`issuer`). */
  readonly publicUrl: string;
}

/**
 * The authorization endpoint (RFC 6749 section 3.1): a page on which a user signs in and allows a program what it asks for, both with each request. Nothing is
 * kept of anybody who has not shown his password: neither here nor, by a cookie, with him.
 */
export class AuthorizePage {
  readonly #parts: AuthorizePageParts;

  constructor(parts: AuthorizePageParts) {
    this.#parts = parts;
  }

  /** `GET /authorize`. Throws TokenError (400). */
  get(exchange: Exchange): BrowserAnswer {
    const request = this.#read(exchange);
    return request instanceof BrowserAnswer ? request : this.#page(request);
  }

  /** `POST /authorize`, with the query of the page. Throws TokenError (400), RegistryError (413, 408). */
  async post(exchange: Exchange): Promise<BrowserAnswer> {
    const { codes, signIn, publicUrl } = this.#parts;
    const form = await sentFromHere(exchange, new URL(publicUrl));
    if (form instanceof BrowserAnswer) return form;
    const request = this.#read(exchange);
    if (request instanceof BrowserAnswer) return request;
    if (form.get('answer') === 'deny')
      return sentTo(backTo(request, publicUrl, { error: 'access_denied' }), 'the user has not allowed it');
    return await orBusy(async () => {
      const name = form.get('username') ?? '';
      const user = await signIn.user(exchange, name, form.get('password') ?? '');
      if (user === undefined)
        return this.#page(request, { name, fault: 'The user or the password is wrong.' });
      const { client, redirectUri, challenge, scopes } = request;
      const code = codes.give({ client: client.id, redirectUri, challenge, scopes, user });
      return sentTo(backTo(request, publicUrl, { code }));
    });
  }

  #read(exchange: Exchange): AuthorizationRequest | BrowserAnswer {
    const { clients, publicUrl } = this.#parts;
    refuseSecretsIn(exchange);
    const read = readRequest(exchange.query, clients, publicUrl);
    if (read.kind === 'asked') return read.request;
    return read.kind === 'refused' ? sentTo(read.location, read.why) : faultPage(400, read.why);
  }

  #page(
    { client, redirectUri, scopes }: AuthorizationRequest,
    wrong?: { readonly name: string; readonly fault: string },
  ): BrowserAnswer {
    const { host } = new URL(this.#parts.publicUrl);
    const target = formTarget(redirectUri);
    return page({
      ...{
        title: 'Sign in',
        status: wrong === undefined ? 200 : 403,
        formTarget: target,
        failure: wrong?.fault,
      },
      body: html`<p><strong>${client.name}</strong> asks to use <strong>${host}</strong> in your name. You go back to <code>${target}</code> then.</p>
${whatFor(client, scopes)}
${signInForm({ user: wrong?.name, fault: wrong?.fault })}`,
    });
  }
}
