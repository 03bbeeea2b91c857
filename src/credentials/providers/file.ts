import * as z from 'zod';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { RegistryError } from '../../oci/error.ts';
import { text, word } from '../../values/text.ts';
import { type Credential, type CredentialProvider, staticCredential } from '../credentials.ts';
import { provider } from './provider.ts';
import { WatchedFile } from './watched-file.ts';

export const file = provider({
  name: 'file',
  options: z.strictObject({ path: text({ min: 1 }), user: word() }),
  open: (options, parts) => fileCredentials({ ...parts, ...options }),
  reads: ({ path }) => path,
});

export interface FileSettings {
  readonly path: string;
  /** Whose password the file holds. Without it the file holds the text behind `Basic `, or a whole header. */
  readonly user?: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A secret in a file that may change. */
export function fileCredentials({ path, user, clock, log }: FileSettings): CredentialProvider {
  const watched = new WatchedFile({
    who: 'credentials',
    paths: [path],
    parse: (text) => credentialIn(text.replace(/[\r\n]+$/, ''), user, path),
    clock,
    log,
  });
  return {
    name: 'file',
    get: async () => ({ credential: await watched.get() }),
    renew: async (refused) => (await watched.get({ now: true }).catch(() => refused)) !== refused,
  };
}

function credentialIn(text: string, username: string | undefined, path: string): Credential {
  if (text.trim() === '') throw denied(path, 'is empty');
  if (username !== undefined) return { kind: 'basic', username, password: text };
  if (/[^ -~]/.test(text.trim()))
    throw denied(path, 'does not hold one line of text that is fit for a header');
  return staticCredential(text);
}

function denied(path: string, what: string): RegistryError {
  return new RegistryError('DENIED', `credentials: the file ${JSON.stringify(path)} ${what}`);
}
