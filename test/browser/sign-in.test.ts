import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { secret } from '#test/fakes/secrets.ts';
import { newPkce } from '#test/fakes/sign-in-app.ts';
import { asked, password, posted, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';
import { freePort } from '../e2e/support/free-port.ts';
import { needs, programOf } from '../setup/needs.ts';

/** In the page. */
declare function getComputedStyle(element: unknown): { readonly color: string };

interface Listening extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
}

async function listening(listener: RequestListener, host = '127.0.0.1'): Promise<Listening> {
  const server = createServer(listener);
  server.listen(0, host);
  await once(server, 'listening');
  return {
    server,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** What the program of the user hears, one after the other. */
class Client {
  readonly #heard: URL[] = [];
  #came = Promise.withResolvers<void>();

  readonly listener: RequestListener = ({ url = '' }, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>back</title>back');
    if (!url.startsWith('/back')) return;
    this.#heard.push(new URL(url, 'http://client.test'));
    this.#came.resolve();
  };

  async next(): Promise<URLSearchParams> {
    while (this.#heard.length === 0) await this.#came.promise;
    this.#came = Promise.withResolvers();
    return (this.#heard.shift() as URL).searchParams;
  }

  get waiting(): number {
    return this.#heard.length;
  }
}

/** A proxy that has us behind a path, and takes it away. */
function withoutPrefix(port: number): RequestListener {
  return (request, response) => {
    const path = (request.url ?? '').replace(/^\/here(?=\/)/, '');
    const { method, headers } = request;
    const onwards = httpRequest({ host: '127.0.0.1', port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onwards);
  };
}

describe('the pages in Chromium, without scripts', needs('chromium'), () => {
  const resources = new AsyncDisposableStack();
  const client = new Client();
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let app: TokenApp;
  /** As users have it, behind a proxy with a path. */
  let publicUrl: string;
  let back: string;
  const violations: string[] = [];

  before(async () => {
    browser = await chromium.launch({
      executablePath: programOf('chromium'),
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    resources.defer(async () => await browser.close());
    const port = await freePort();
    const proxy = resources.use(await listening(withoutPrefix(port)));
    publicUrl = `http://127.0.0.1:${proxy.port}/here`;
    const program = resources.use(await listening(client.listener));
    back = `http://127.0.0.1:${program.port}/back`;
    const clients = [
      {
        ...{ id: 'cli', name: 'The <b>command</b> line', public: true, scopes: ['repository:team/a:pull'] },
        ...{
          grants: ['authorization_code', 'device_code'],
          redirectUris: ['http://127.0.0.1/back', 'http://[::1]/back'],
        },
      },
    ];
    app = resources.use(
      await tokenApp(
        { tokenService: undefined, oauth: { clients, signing: { algorithm: 'ES256' } } },
        { more: { port, publicUrl } },
      ),
    );
    context = await browser.newContext({ javaScriptEnabled: false });
    page = await context.newPage();
    page.on('console', (message) => violations.push(message.text()));
  });
  after(async () => await resources.disposeAsync());

  /** What the program heard, when the browser is there too. */
  const cameBack = async (to = client): Promise<URLSearchParams> => {
    await page.getByText('back', { exact: true }).waitFor();
    return await to.next();
  };

  const authorize = (challenge: string, redirect = back): string => {
    const request = {
      ...{ response_type: 'code', client_id: 'cli', redirect_uri: redirect, state: 'a&b=c' },
      ...{ code_challenge: challenge, code_challenge_method: 'S256' },
    };
    return `${publicUrl}/authorize?${new URLSearchParams(request)}`;
  };

  it('sign a user in by the keyboard alone, say what was wrong, and send him back', async () => {
    const { verifier, challenge } = newPkce();
    await page.goto(authorize(challenge));
    assert.equal(await page.title(), 'Sign in');
    assert.equal(await page.getByRole('heading', { level: 1 }).textContent(), 'Sign in');
    assert.equal(await page.getByText('The <b>command</b> line').count(), 1);
    assert.equal(await page.getByRole('alert').count(), 0);
    // What the one style says is done: it is the one of the policy.
    assert.equal(
      await page.locator('button.main').evaluate((button) => getComputedStyle(button).color),
      'rgb(255, 255, 255)',
    );
    await page.getByLabel('User').fill('alice');
    await page.getByLabel('Password').fill(secret('wrong'));
    await page.keyboard.press('Enter');
    assert.equal(await page.getByRole('alert').textContent(), 'The user or the password is wrong.');
    assert.equal(await page.getByLabel('User').inputValue(), 'alice');
    assert.equal(await page.getByLabel('Password').inputValue(), '');
    assert.equal(await page.getByLabel('Password').getAttribute('aria-describedby'), 'fault');
    await page.getByLabel('User').focus();
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const heard = await cameBack();
    assert.deepEqual([heard.get('state'), heard.get('iss')], ['a&b=c', publicUrl]);
    const fields = {
      grant_type: 'authorization_code',
      client_id: 'cli',
      redirect_uri: back,
      code_verifier: verifier,
    };
    const answer = await posted(`${publicUrl}/token`, { ...fields, code: String(heard.get('code')) });
    assert.equal(answer.status, 200);
    const shown = { authorization: `Bearer ${String(answer.body['access_token'])}` };
    assert.equal((await asked(`${app.url}/v2/team/a/manifests/v1`, { headers: shown })).status, 404);
    assert.deepEqual(
      violations.filter((text) => /Content Security Policy/.test(text)),
      [],
    );
  });

  it('go back with a no, where nothing was typed', async () => {
    await page.goto(authorize(newPkce().challenge));
    await page.getByRole('button', { name: 'Do not allow' }).click();
    const heard = await cameBack();
    assert.deepEqual([heard.get('error'), heard.get('code')], ['access_denied', null]);
  });

  it('go back to a program that listens at ::1 too', async (test) => {
    const other = new Client();
    const program = await listening(other.listener, '::1').catch(() => undefined);
    if (program === undefined) {
      test.skip('there is no ::1 here');
      return;
    }
    await using _ = program;
    await page.goto(authorize(newPkce().challenge, `http://[::1]:${program.port}/back`));
    await page.getByLabel('User').fill('alice');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in and allow' }).click();
    assert.match(String((await cameBack(other)).get('code')), /^[\w-]{43}$/);
  });

  it('let a device in that shows a code', async () => {
    const begun = await posted(`${publicUrl}/device_authorization`, { client_id: 'cli' });
    const code = String(begun.body['user_code']);
    await page.goto(String(begun.body['verification_uri']));
    await page.getByLabel('Code that the device shows').fill('BBBB-BBBB');
    await page.keyboard.press('Enter');
    assert.match(String(await page.getByRole('alert').textContent()), /No device waits/);
    await page.goto(String(begun.body['verification_uri_complete']));
    assert.equal(await page.getByLabel('Code that the device shows').inputValue(), code);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText(code, { exact: true }).waitFor();
    await page.getByLabel('User').fill('alice');
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in and allow' }).click();
    await page.getByRole('heading', { level: 1, name: 'It is allowed.' }).waitFor();
    const grantType = 'urn:ietf:params:oauth:grant-type:device_code';
    const fields = {
      grant_type: grantType,
      client_id: 'cli',
      device_code: String(begun.body['device_code']),
    };
    assert.equal((await posted(`${publicUrl}/token`, fields)).status, 200);
  });

  /** A page of somebody else, on a host that is another site to the browser. */
  const elsewhere = async (text: string): Promise<Listening> =>
    await listening((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(text);
    });

  it('are shown in no frame', async () => {
    await using other = await elsewhere(
      `<!doctype html><iframe src="${authorize(newPkce().challenge)}"></iframe>`,
    );
    await page.goto(`http://localhost:${other.port}/`);
    const [frame] = page.frames().slice(1);
    assert.equal(await frame?.getByLabel('Password').count(), 0);
    assert.ok(violations.some((text) => /frame-ancestors|X-Frame-Options/.test(text)));
  });

  it('sign nobody in by a form that stands on another page', async () => {
    const escaped = authorize(newPkce().challenge).replaceAll('&', '&amp;');
    await using other = await elsewhere(
      `<!doctype html><form method="post" action="${escaped}">
<input name="username" value="alice"><input name="password" value="${password}"><input name="answer" value="allow">
<button>Win</button></form>`,
    );
    for (const host of ['localhost', '127.0.0.1']) {
      await page.goto(`http://${host}:${other.port}/`);
      const [response] = await Promise.all([
        page.waitForResponse((answer) => answer.request().method() === 'POST'),
        page.getByRole('button', { name: 'Win' }).click(),
      ]);
      assert.equal(response.status(), 403, host);
    }
    assert.equal(client.waiting, 0);
  });
});
