import { networkOf } from '../../base/network-of.ts';
import type { Exchange } from '../../http/exchange/exchange.ts';
import { BrowserAnswer } from '../tokens/browser-answer.ts';
import { refuseSecretsIn } from '../tokens/sent-form.ts';
import type { WrongGuesses } from '../wrong-guesses.ts';
import { type DeviceCodes, userCodeIn, type WaitingDevice } from './device-codes.ts';
import { html } from './html.ts';
import { page } from './page.ts';
import { orBusy, sentFromHere } from './pages.ts';
import type { SignIn } from './sign-in.ts';
import { alert, signInForm, whatFor } from './sign-in-form.ts';

export interface DevicePageParts {
  readonly devices: DeviceCodes;
  readonly signIn: SignIn;
  /** Of user codes. */
  readonly guesses: WrongGuesses;
  readonly publicUrl: string;
}

/** Who is to be asked again, and why. */
interface Wrong {
  readonly name: string;
  readonly fault: string;
}

/** Characters. */
const maxTyped = 32;
const notThere = 'No device waits with this code: it was mistyped, used, or is older than ten minutes.';

/**
 * The page on which a user types what a device shows, reads who asks for what, signs in and allows it (RFC 8628 section 3.3). A code in the URL is only
 * written into the form: whoever is sent a link sees the code before he goes on (section 5.4).
 */
export class DevicePage {
  readonly #parts: DevicePageParts;

  constructor(parts: DevicePageParts) {
    this.#parts = parts;
  }

  /** `GET /device`. Throws TokenError (400). */
  get(exchange: Exchange): BrowserAnswer {
    refuseSecretsIn(exchange);
    return codePage(userCodeIn(exchange.query.get('user_code') ?? '') ?? '');
  }

  /** `POST /device`: the code first, then with it user and password. Throws TokenError (400), RegistryError (413, 408). */
  async post(exchange: Exchange): Promise<BrowserAnswer> {
    refuseSecretsIn(exchange);
    const form = await sentFromHere(exchange, new URL(this.#parts.publicUrl));
    if (form instanceof BrowserAnswer) return form;
    return await orBusy(async () => {
      const { devices, signIn } = this.#parts;
      const typed = (form.get('user_code') ?? '').slice(0, maxTyped);
      const device = this.#waiting(exchange, typed);
      if (device === undefined) return codePage(typed, notThere);
      const answer = form.get('answer');
      if (answer === undefined) return this.#signInPage(device);
      if (answer === 'deny')
        return donePage(devices.answer(device.userCode, 'denied'), 'It was not allowed.');
      const name = form.get('username') ?? '';
      const user = await signIn.user(exchange, name, form.get('password') ?? '');
      if (user === undefined)
        return this.#signInPage(device, { name, fault: 'The user or the password is wrong.' });
      return donePage(devices.answer(device.userCode, user), 'It is allowed.');
    });
  }

  /** Throws TOOMANYREQUESTS (429) for whoever guesses. */
  #waiting(exchange: Exchange, typed: string): WaitingDevice | undefined {
    const { devices, guesses, signIn } = this.#parts;
    const network = networkOf(signIn.addressOf(exchange));
    guesses.check(network);
    const device = devices.waiting(typed);
    if (device === undefined) guesses.add(network, typed);
    return device;
  }

  #signInPage({ client, scopes, userCode }: WaitingDevice, wrong?: Wrong): BrowserAnswer {
    const { host } = new URL(this.#parts.publicUrl);
    return page({
      ...{ title: 'Allow a device', status: wrong === undefined ? 200 : 403, failure: wrong?.fault },
      body: html`<p><strong>${client.name}</strong> asks to use <strong>${host}</strong> in your name. It shows this code:</p>
<p class="code">${userCode}</p>
<p>Go on only if you have begun this yourself and see the same code there.</p>
${whatFor(client, scopes)}
${signInForm({
  user: wrong?.name,
  fault: wrong?.fault,
  more: html`<input type="hidden" name="user_code" value="${userCode}">`,
})}`,
    });
  }
}

function codePage(typed: string, fault?: string): BrowserAnswer {
  const described = fault === undefined ? html`` : html` aria-invalid="true" aria-describedby="fault"`;
  return page({
    ...{ title: 'Allow a device', status: fault === undefined ? 200 : 404, failure: fault },
    body: html`${alert(fault)}
<form method="post">
<label for="user_code">Code that the device shows</label>
<input id="user_code" name="user_code" class="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="${String(maxTyped)}" required value="${typed}"${described}>
<button class="main">Go on</button>
</form>`,
  });
}

/** `isDone`: else somebody was quicker, or its time was over meanwhile. */
function donePage(isDone: boolean, what: string): BrowserAnswer {
  if (!isDone) return codePage('', notThere);
  return page({
    title: what,
    body: html`<p>You can close this page. The device goes on by itself.</p>`,
  });
}
