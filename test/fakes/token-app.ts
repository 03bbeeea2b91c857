import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { App } from '#src/app/app.ts';
import type { Clock } from '#src/base/clock.ts';
import { LogLines } from './log-lines.ts';
import { bcrypt } from './passwords.ts';
import { runApp, temporaryDirectory } from './running-app.ts';
import { secret } from './secrets.ts';

export const password = secret('of-alice');
export const service = 'cache.test';
/** The same for all: a server that is started again has the file that it had. */
const hash = bcrypt(password);

export interface TokenApp extends AsyncDisposable {
  readonly app: App;
  readonly url: string;
  readonly log: LogLines;
  readonly htpasswdFile: string;
  readonly imagePath: string;
}

/** A server that knows alice by her password, and issues tokens. */
export async function tokenApp(
  auth: object = {},
  { clock, imagePath, more = {} }: { clock?: Clock; imagePath?: string; more?: object } = {},
): Promise<TokenApp> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const htpasswdFile = join(directory.path, 'htpasswd');
  await writeFile(htpasswdFile, `alice:${hash}\n`);
  const log = new LogLines();
  const path = imagePath ?? join(directory.path, 'data');
  const settings = {
    ...{ imagePath: path, publicUrl: 'https://cache.test/here', logLevel: 'debug' },
    hosted: [{ repositories: ['team/**'], open: true }],
    auth: { basic: { htpasswdFile }, tokenService: { issuer: 'issuer.test', service }, ...auth },
    ...more,
  };
  const app = stack.use(await runApp(settings as never, { log, ...(clock !== undefined && { clock }) }));
  const kept = stack.move();
  return {
    ...{ app, url: app.server.url, log, htpasswdFile, imagePath: path },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

export interface TokenAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

export async function asked(url: string | URL, init: RequestInit = {}): Promise<TokenAnswer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  return { status: response.status, headers: response.headers, body };
}

export async function posted(
  url: string | URL,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<TokenAnswer> {
  return await asked(url, { method: 'POST', body: new URLSearchParams(fields), headers });
}
