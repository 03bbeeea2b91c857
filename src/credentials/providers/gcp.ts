import { sign } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { RegistryError } from '../../oci/error.ts';
import { word } from '../../values/text.ts';
import { type CredentialSource, RefreshingCredentials } from '../refreshing-credentials.ts';
import { type AskCloud, type CloudAnswer, cloudAsker, endOf, textIn } from './cloud-request.ts';
import { type AccessToken, externalToken } from './gcp-external.ts';
import { fieldOf, type KeyFile, reachOf, readKeyFile, urlOf, wrongKey } from './gcp-key-file.ts';
import { homeDirectory } from './home-directory.ts';
import { type ProviderParts, provider } from './provider.ts';

const options = z.strictObject({
  /** Default: GOOGLE_APPLICATION_CREDENTIALS, then gcloud's own file, then the metadata server. */
  keyFile: word(),
  /** Which of the machine's service accounts. Default: `default`. */
  serviceAccount: word(),
});

export const gcp = provider({
  name: 'gcp',
  options,
  open: (given, parts) => new RefreshingCredentials({ ...parts, source: gcpSource({ ...parts, ...given }) }),
  reads: ({ keyFile }) => keyFile,
});

export type GcpSettings = z.output<typeof options> & Pick<ProviderParts, 'env' | 'clock' | 'connect' | 'log'>;

/** The user by whom Artifact Registry and Container Registry take an access token for a password. */
const username = 'oauth2accesstoken';
/** Of metadata.google.internal, IPv4 and IPv6. Azure's machines have the first as well, whose tokens an external account may take. */
const metadata = ['169.254.169.254', 'fd20:ce::254'];
const scope = 'https://www.googleapis.com/auth/cloud-platform';
const defaultTokenUri = 'https://oauth2.googleapis.com/token';
const jwtGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const jwtLifeSeconds = 3600;

/**
 * Google: application default credentials (service account key, a user's file, workload identity federation, the metadata
 * server).
 */
export function gcpSource(given: GcpSettings): CredentialSource {
  const { name } = gcp;
  const settings = { ...given, ask: cloudAsker({ ...given, name, metadata }) };
  return {
    name,
    async fetch(signal) {
      const file = settings.keyFile ?? (await defaultFile(settings.env));
      const { value: password, ...end } = await (file === undefined ? fromMetadata : fromFile(file))(
        settings,
        signal,
      );
      return { credential: { kind: 'basic', username, password }, ...end };
    },
  };
}

type Asking = GcpSettings & { readonly ask: AskCloud };
type Fetch = (settings: Asking, signal: AbortSignal) => Promise<AccessToken>;

function tokenIn(answer: CloudAnswer, { clock }: GcpSettings): AccessToken {
  return { value: textIn(answer, 'access_token', 'Google'), ...endOf(answer, clock.now()) };
}

async function defaultFile(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const named = env['GOOGLE_APPLICATION_CREDENTIALS'];
  if (named) return named;
  const folder = env['CLOUDSDK_CONFIG'] || join(homeDirectory(env), '.config/gcloud');
  const file = join(folder, 'application_default_credentials.json');
  return await access(file).then(
    () => file,
    () => undefined,
  );
}

const fromMetadata: Fetch = async (settings, signal) => {
  const { serviceAccount = 'default', env, ask } = settings;
  const { GCE_METADATA_HOST: named } = env;
  const host = named || 'metadata.google.internal';
  const reach = named ? 'anywhere' : 'private';
  const path = `/computeMetadata/v1/instance/service-accounts/${encodeURIComponent(serviceAccount)}/token`;
  const who = `Google's metadata server at ${host}`;
  const headers = { 'metadata-flavor': 'Google' };
  const answer = await ask({ who, url: new URL(`http://${host}${path}`), reach, headers, signal });
  // Somebody else may answer at that name, and be believed.
  if (answer.headers['metadata-flavor'] === 'Google') return tokenIn(answer, settings);
  throw new RegistryError('UNAVAILABLE', `${who} is none: its answer has no Metadata-Flavor`);
};

function fromFile(path: string): Fetch {
  return async (settings, signal) => {
    const { clock, ask } = settings;
    const now = clock.now();
    const key = await readKeyFile(path);
    if (key.fields['type'] === 'external_account')
      return await externalToken({ key, scope, now, ask, signal });
    const url = urlOf(key, 'token_uri', defaultTokenUri);
    const form = formOf(key, url, now);
    const who = `Google at ${url.host}`;
    return tokenIn(await ask({ who, url, reach: reachOf(url), form, signal }), settings);
  };
}

function formOf(key: KeyFile, url: URL, now: number): Record<string, string> {
  switch (key.fields['type']) {
    case 'service_account':
      return { grant_type: jwtGrant, assertion: assertionOf(key, url, now) };
    case 'authorized_user':
      return {
        grant_type: 'refresh_token',
        client_id: fieldOf(key, 'client_id'),
        client_secret: fieldOf(key, 'client_secret'),
        refresh_token: fieldOf(key, 'refresh_token'),
      };
    default:
      throw wrongKey(
        key.path,
        'holds no service_account, authorized_user or external_account; provider exec may know it',
      );
  }
}

/** A JWT that the service account signs for itself (RFC 7523). */
function assertionOf(key: KeyFile, audience: URL, now: number): string {
  const iat = Math.floor(now / 1000);
  const keyId = key.fields['private_key_id'];
  const header = { alg: 'RS256', typ: 'JWT', ...(typeof keyId === 'string' && { kid: keyId }) };
  const claims = {
    iss: fieldOf(key, 'client_email'),
    scope,
    aud: audience.href,
    iat,
    exp: iat + jwtLifeSeconds,
  };
  const text = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const privateKey = fieldOf(key, 'private_key');
  try {
    return `${text}.${sign('RSA-SHA256', Buffer.from(text), privateKey).toString('base64url')}`;
  } catch {
    throw new RegistryError('DENIED', `gcp: the private_key in ${JSON.stringify(key.path)} is none`);
  }
}
