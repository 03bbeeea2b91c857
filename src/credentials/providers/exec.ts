import { execFile } from 'node:child_process';
import * as z from 'zod';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { jsonObject } from '../../json/json-object.ts';
import { RegistryError } from '../../oci/error.ts';
import { duration } from '../../values/duration.ts';
import { list, text, word } from '../../values/text.ts';
import { anonymous, type Credential } from '../credentials.ts';
import { type CredentialSource, RefreshingCredentials } from '../refreshing-credentials.ts';
import { serverUrlOf } from './docker-config.ts';
import { provider } from './provider.ts';

export const exec = provider({
  name: 'exec',
  options: z.strictObject({
    command: z.union([text({ min: 1 }), list(text({ min: 1 })).min(1)], {
      error: 'is required: a program, or a list of a program and its arguments',
    }),
    serverUrl: word(),
    lifetime: duration({ min: '1s' }).optional(),
  }),
  open({ command, serverUrl, lifetime: lifetimeMs }, parts) {
    const asked = serverUrl ?? serverUrlOf(parts.host);
    const source = execSource({ ...parts, command, serverUrl: asked, lifetimeMs });
    return new RefreshingCredentials({ ...parts, source });
  },
  runs: ({ command }) => [command].flat()[0],
});

export interface ExecSettings {
  /** A program, or one with its arguments; `get` is added to a program alone. */
  readonly command: string | readonly string[];
  /** What the program is asked for, on its standard input. */
  readonly serverUrl: string;
  /** How long its credentials are good: the protocol does not say. Milliseconds; absent is until they are refused. */
  readonly lifetimeMs?: number | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
}

const maxOutputBytes = 64 * 1024;
/** The user by which a helper says that its secret is a refresh token. */
const tokenUser = '<token>';
/** A helper that knows nothing of a server is asked again after half of this: somebody may have logged in. Milliseconds. */
const unknownLifeMs = 600_000;
/** What helpers of that project print when they know nothing of a server (docker-credential-helpers). */
const notFound = 'credentials not found in native keychain';

/**
 * A program by the protocol of Docker's credential helpers: `docker-credential-<name> get`. No shell; stderr is dropped. One that
 * has no credentials makes us nobody, as with docker.
 */
export function execSource(settings: ExecSettings): CredentialSource {
  const [program = '', ...given] =
    typeof settings.command === 'string' ? [settings.command] : settings.command;
  const args = given.length === 0 ? ['get'] : given;
  let isUnknown = false;
  return {
    name: 'exec',
    async fetch(signal) {
      const output = await run(program, args, settings, signal);
      const { lifetimeMs, clock, log, serverUrl } = settings;
      const wasUnknown = isUnknown;
      isUnknown = output === undefined;
      if (output === undefined) {
        const what = 'the program knows no credentials for this registry: it is asked without';
        if (!wasUnknown) log.warn({ program, serverUrl }, what);
        return { credential: anonymous, expiresAt: clock.now() + unknownLifeMs };
      }
      return {
        credential: credentialIn(output, program),
        ...(lifetimeMs === undefined ? {} : { expiresAt: clock.now() + lifetimeMs }),
      };
    },
  };
}

/** What it printed; undefined: there are no credentials. */
async function run(
  program: string,
  args: readonly string[],
  { serverUrl, env }: ExecSettings,
  signal: AbortSignal,
): Promise<string | undefined> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const options = { env, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes, windowsHide: true } as const;
  const child = execFile(program, args, options, (error, stdout) => {
    signal.removeEventListener('abort', abort);
    if (error === null) resolve(stdout);
    else if (stdout.includes(notFound)) resolve(undefined);
    else reject(failure(program, error));
  });
  // Not by the option `signal`: execFile would send SIGTERM, and wait for whoever else holds the output open.
  const abort = () => {
    child.kill('SIGKILL');
    child.stdout?.destroy();
    child.stderr?.destroy();
    reject(signal.reason);
  };
  signal.addEventListener('abort', abort, { once: true });
  // A program that does not read its input closes the pipe: no matter.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(`${serverUrl}\n`);
  return await promise;
}

function credentialIn(output: string, program: string): Credential {
  const { Username: username, Secret: secret } = jsonObject(output) ?? {};
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') {
    throw denied(program, 'printed no credentials');
  }
  return username === tokenUser
    ? { kind: 'refresh', token: secret }
    : { kind: 'basic', username, password: secret };
}

/** Node's message quotes the command and what it printed: neither is passed on. */
function failure(program: string, { code }: { code?: unknown }): RegistryError {
  switch (code) {
    case 'ENOENT':
      return denied(program, 'is not there');
    case 'EACCES':
      return denied(program, 'may not be run');
    case 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER':
      return denied(program, `printed more than ${maxOutputBytes} bytes`);
    default:
      return denied(program, typeof code === 'number' ? `ended with status ${code}` : 'was killed');
  }
}

function denied(program: string, what: string): RegistryError {
  return new RegistryError('DENIED', `no credentials: the program ${JSON.stringify(program)} ${what}`);
}
