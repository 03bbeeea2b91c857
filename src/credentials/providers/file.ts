import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { RegistryError } from '../../oci/error.ts';
import { type Credential, type CredentialProvider, staticCredential } from '../credentials.ts';
import { WatchedFile } from './watched-file.ts';

export interface FileSettings {
  readonly path: string;
  /** Whose password the file holds. Without it the file holds the text behind `Basic `, or a whole header. */
  readonly user?: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A secret in a file that may change. */
export function fileCredentials({ path, user, clock, log }: FileSettings): CredentialProvider {
  const file = new WatchedFile({
    who: 'credentials',
    paths: [path],
    parse: (text) => credentialIn(text.replace(/[\r\n]+$/, ''), user, path),
    clock,
    log,
  });
  return {
    name: 'file',
    get: async () => ({ credential: await file.get() }),
    renew: async (refused) => (await file.get({ now: true }).catch(() => refused)) !== refused,
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
