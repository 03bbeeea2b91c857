import { grantedTo } from '../tokens/client-scopes.ts';
import type { OAuthClient } from '../tokens/oauth-clients.ts';
import { Html, html } from './html.ts';

/** No user and no password is longer. Characters. */
const [maxUser, maxPassword] = [255, 1024];

const nothing = new Html('');

/** What was wrong with what was sent, before the form that is to be filled in again. */
export function alert(fault: string | undefined): Html {
  return fault === undefined ? nothing : html`<p role="alert" id="fault">${fault}</p>`;
}

/** User and password, and whether it is allowed: what is in the form besides is `more`. The form is sent to where it stands. */
export function signInForm({
  user = '',
  fault,
  more = nothing,
}: {
  readonly user?: string | undefined;
  readonly fault: string | undefined;
  readonly more?: Html;
}): Html {
  const described = fault === undefined ? nothing : html` aria-invalid="true" aria-describedby="fault"`;
  return html`${alert(fault)}
<form method="post">
${more}
<label for="username">User</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="${String(maxUser)}" required value="${user.slice(0, maxUser)}"${described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="${String(maxPassword)}" required${described}>
<button class="main" name="answer" value="allow">Sign in and allow</button>
<button name="answer" value="deny" formnovalidate>Do not allow</button>
</form>`;
}

/** What the program may do then. Scopes that say nothing of repositories keep its token from nothing, and are not shown as if they did. */
export function whatFor(client: Pick<OAuthClient, 'scopes'>, scopes: readonly string[]): Html {
  if (grantedTo(client.scopes, scopes) === undefined)
    return html`<p>It may then do all that you may do here.</p>`;
  const items = scopes.map((scope) => html`<li><code>${scope}</code></li>\n`);
  return html`<p>It asks for this, as far as you may do it yourself:</p>\n<ul>\n${items}</ul>`;
}
