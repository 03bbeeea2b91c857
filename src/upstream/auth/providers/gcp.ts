import { sign } from 'node:crypto';
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../clock.ts';
import { RegistryError } from '../../../oci/error.ts';
import { jsonObject } from '../../json-object.ts';
import type { ProxyChoice } from '../../proxy-choice.ts';
import type { ProvidedCredential } from '../credentials.ts';
import type { CredentialSource } from '../refreshing-credentials.ts';
import { askCloud, type CloudAnswer, endOf, textIn } from './cloud-request.ts';
import { readSecretFile } from './secret-file.ts';

export interface GcpSettings {
  /** Default: GOOGLE_APPLICATION_CREDENTIALS, then gcloud's own file, then the metadata server. */
  readonly keyFile?: string | undefined;
  /** Which of the machine's service accounts. Default: `default`. */
  readonly serviceAccount?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly proxies: ProxyChoice;
}

/** The user by whom Artifact Registry and Container Registry take an access token for a password. */
const username = 'oauth2accesstoken';
const scope = 'https://www.googleapis.com/auth/cloud-platform';
const defaultTokenUri = 'https://oauth2.googleapis.com/token';
const jwtGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const jwtLifeSeconds = 3600;

/** Google: application default credentials (service account key, a user's file, the metadata server). */
export function gcpSource(settings: GcpSettings): CredentialSource {
  return {
    name: 'gcp',
    async fetch(signal) {
      const file = settings.keyFile ?? (await defaultFile(settings.env));
      const answer = await (file === undefined ? fromMetadata : fromFile(file))(settings, signal);
      const password = textIn(answer, 'access_token', 'Google');
      return provided(password, answer, settings.clock.now());
    },
  };
}

type Ask = (settings: GcpSettings, signal: AbortSignal) => Promise<CloudAnswer>;

function provided(password: string, answer: CloudAnswer, now: number): ProvidedCredential {
  return { credential: { kind: 'basic', username, password }, ...endOf(answer, now) };
}

async function defaultFile(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const named = env['GOOGLE_APPLICATION_CREDENTIALS'];
  if (named) return named;
  const folder = env['CLOUDSDK_CONFIG'] || join(env['HOME'] || homedir(), '.config/gcloud');
  const file = join(folder, 'application_default_credentials.json');
  return await access(file).then(
    () => file,
    () => undefined,
  );
}

const fromMetadata: Ask = async ({ serviceAccount = 'default', env, proxies }, signal) => {
  const host = env['GCE_METADATA_HOST'] || 'metadata.google.internal';
  const path = `/computeMetadata/v1/instance/service-accounts/${encodeURIComponent(serviceAccount)}/token`;
  const who = `Google's metadata server at ${host}`;
  const headers = { 'metadata-flavor': 'Google' };
  const answer = await askCloud({ who, url: new URL(`http://${host}${path}`), headers, proxies, signal });
  // Somebody else may answer at that name, and be believed.
  if (answer.headers['metadata-flavor'] === 'Google') return answer;
  throw new RegistryError('UNAVAILABLE', `${who} is none: its answer has no Metadata-Flavor`);
};

function fromFile(file: string): Ask {
  return async ({ clock, proxies }, signal) => {
    const key = await readKey(file);
    const url = tokenUriOf(key, file);
    switch (key['type']) {
      case 'service_account': {
        const form = { grant_type: jwtGrant, assertion: assertionOf(key, url, file, clock.now()) };
        return await askCloud({ who: `Google at ${url.host}`, url, form, proxies, signal });
      }
      case 'authorized_user': {
        const form = {
          grant_type: 'refresh_token',
          client_id: field(key, 'client_id', file),
          client_secret: field(key, 'client_secret', file),
          refresh_token: field(key, 'refresh_token', file),
        };
        return await askCloud({ who: `Google at ${url.host}`, url, form, proxies, signal });
      }
      default: {
        const reason = 'holds neither a service_account nor an authorized_user; provider exec may know it';
        throw new RegistryError('DENIED', `gcp: ${JSON.stringify(file)} ${reason}`);
      }
    }
  };
}

/** A JWT that the service account signs for itself (RFC 7523). */
function assertionOf(key: KeyFile, audience: URL, file: string, now: number): string {
  const iat = Math.floor(now / 1000);
  const keyId = key['private_key_id'];
  const header = { alg: 'RS256', typ: 'JWT', ...(typeof keyId === 'string' && { kid: keyId }) };
  const claims = {
    iss: field(key, 'client_email', file),
    scope,
    aud: audience.href,
    iat,
    exp: iat + jwtLifeSeconds,
  };
  const text = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const privateKey = field(key, 'private_key', file);
  try {
    return `${text}.${sign('RSA-SHA256', Buffer.from(text), privateKey).toString('base64url')}`;
  } catch {
    throw new RegistryError('DENIED', `gcp: the private_key in ${JSON.stringify(file)} is none`);
  }
}

type KeyFile = Readonly<Record<string, unknown>>;

async function readKey(file: string): Promise<KeyFile> {
  const key = jsonObject(await readSecretFile('gcp', file));
  if (key !== undefined) return key;
  throw new RegistryError('DENIED', `gcp: ${JSON.stringify(file)} is not JSON`);
}

function tokenUriOf(key: KeyFile, file: string): URL {
  const uri = key['token_uri'] ?? defaultTokenUri;
  if (typeof uri === 'string' && URL.canParse(uri)) return new URL(uri);
  throw new RegistryError('DENIED', `gcp: the token_uri in ${JSON.stringify(file)} is no URL`);
}

function field(key: KeyFile, name: string, file: string): string {
  const value = key[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new RegistryError('DENIED', `gcp: ${JSON.stringify(file)} has no ${name}`);
}
