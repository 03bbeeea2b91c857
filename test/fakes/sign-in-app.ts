import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#src/base/clock.ts';
import { temporaryDirectory } from './running-app.ts';
import { secret } from './secrets.ts';
import { password, posted, type TokenAnswer, type TokenApp, tokenApp } from './token-app.ts';

export const clientSecret = secret('of a client');
/** As `tokenApp` has it. */
export const publicUrl = 'https://cache.test/here';
export const webBack = 'https://web.test/back';
export const [pullA, pullB] = ['repository:team/a:pull', 'repository:team/b:pull'];
export const oddName = `<b onclick='x'>Web & "Co"</b>`;

/** A page of the server, as a browser has it. */
export interface Page {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Where it leads, with what is told there. */
  readonly location: URL | undefined;
}

export interface SignInApp extends AsyncDisposable {
  readonly server: TokenApp;
  readonly url: string;
}

/** A server on which alice lets programs in: `web` and `old` with a secret, `app`, `other` and `named` without. */
export async function signInApp({
  clock,
  oauth = {},
}: {
  clock?: Clock;
  oauth?: object;
} = {}): Promise<SignInApp> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const secretFile = join(path, 'client');
  await writeFile(secretFile, clientSecret);
  const clients = [
    {
      ...{ id: 'web', name: oddName, secretFile, scopes: [pullA, pullB] },
      ...{ grants: ['authorization_code', 'refresh_token'], redirectUris: [webBack, `${webBack}?kept=1`] },
    },
    {
      ...{ id: 'app', public: true, redirectUris: ['http://127.0.0.1/back', 'com.example.app:/back'] },
      grants: ['authorization_code', 'device_code', 'refresh_token'],
    },
    {
      id: 'other',
      public: true,
      grants: ['authorization_code', 'device_code', 'refresh_token'],
      redirectUris: [webBack],
    },
    {
      id: 'named',
      public: true,
      grants: ['authorization_code', 'device_code'],
      redirectUris: [webBack],
      scopes: ['profile'],
    },
    { id: 'old', secretFile, grants: ['password', 'refresh_token'], scopes: [pullA, pullB] },
    { id: 'once', secretFile, grants: ['password'] },
    { id: '000000', secretFile },
  ];
  const settings = { oauth: { clients, signing: { algorithm: 'ES256' }, ...oauth } };
  const server = stack.use(await tokenApp(settings, clock === undefined ? {} : { clock }));
  const kept = stack.move();
  return { server, url: server.url, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

/** What a client keeps and what it shows of it (RFC 7636 section 4). */
export function newPkce(): { readonly verifier: string; readonly challenge: string } {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

export type Fields = Readonly<Record<string, string>>;

/** What `web` sends users with. */
export function webRequest(challenge: string): Fields {
  return {
    ...{ response_type: 'code', client_id: 'web', redirect_uri: webBack, state: 'st', scope: pullA },
    ...{ code_challenge: challenge, code_challenge_method: 'S256' },
  };
}

export async function opened(url: string, init: RequestInit = {}): Promise<Page> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const to = response.headers.get('location');
  return {
    ...{ status: response.status, headers: response.headers, text: await response.text() },
    location: to === null ? undefined : new URL(to),
  };
}

/** A form of a page, as a browser sends it. */
export async function sent(url: string, fields: Fields, headers: Fields = {}): Promise<Page> {
  const origin = new URL(publicUrl).origin;
  const body = new URLSearchParams(fields);
  return await opened(url, { method: 'POST', body, headers: { origin, ...headers } });
}

export function authorizeUrl(url: string, request: Fields): string {
  return `${url}/authorize?${new URLSearchParams(request)}`;
}

export const alice: Fields = { username: 'alice', password, answer: 'allow' };

/** Signs alice in, and gives the code with which she is sent back. */
export async function codeFor(url: string, request: Fields): Promise<string> {
  const { status, location } = await sent(authorizeUrl(url, request), alice);
  const code = location?.searchParams.get('code');
  if (status !== 303 || typeof code !== 'string') throw new Error(`${status}: ${location?.href}`);
  return code;
}

/** What a client asks for at the token endpoint; `web` and `old` show their secret. */
export async function token(url: string, client: string, fields: Fields): Promise<TokenAnswer> {
  const isPublic = ['app', 'other', 'named'].includes(client);
  const shown = { client_id: client, ...(!isPublic && { client_secret: clientSecret }) };
  return await posted(`${url}/token`, { ...shown, ...fields });
}

/** Status, and what is wrong. */
export async function errorOf(answer: Promise<TokenAnswer>): Promise<string> {
  const { status, body } = await answer;
  return `${status} ${String(body['error'])}`;
}
