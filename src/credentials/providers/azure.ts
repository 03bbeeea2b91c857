import * as z from 'zod';
import { RegistryError } from '../../oci/error.ts';
import { word } from '../../values/text.ts';
import { type CredentialSource, RefreshingCredentials } from '../refreshing-credentials.ts';
import { type AskCloud, cloudAsker, textIn } from './cloud-request.ts';
import type { Reach } from './cloud-rule.ts';
import { type ProviderParts, provider } from './provider.ts';
import { readSecretFile } from './secret-file.ts';

const options = z.strictObject({
  clientId: word(),
  tenantId: word(),
  /** What the identity is asked for. Older registries want `https://management.azure.com/`. */
  resource: word(),
});

export const azure = provider({
  name: 'azure',
  options,
  open: (given, parts) =>
    new RefreshingCredentials({ ...parts, source: azureSource({ ...parts, ...given }) }),
});

export type AzureSettings = z.output<typeof options> &
  /** The registry's own origin exchanges the identity for a token of its own. */
  Pick<ProviderParts, 'origin' | 'env' | 'clock' | 'connect' | 'log'>;

const defaultResource = 'https://containerregistry.azure.net/';
const metadataAddress = '169.254.169.254';
const metadataPath = '/metadata/identity/oauth2/token';
const defaultAuthority = 'https://login.microsoftonline.com/';
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** What a registry's refresh token lives, unless it says so itself. */
const refreshTokenLifeMs = 3 * 3_600_000;

/**
 * Azure Container Registry: the identity of a workload or of the machine, exchanged at the registry for a refresh token
 * (ACR, "AAD OAuth" `POST /oauth2/exchange`).
 */
export function azureSource(given: AzureSettings): CredentialSource {
  const { name } = azure;
  const settings = { ...given, ask: cloudAsker({ ...given, name, metadata: [metadataAddress] }) };
  return {
    name,
    async fetch(signal) {
      const identity = await identityToken(settings, signal);
      const token = await exchange(settings, identity, signal);
      return { credential: { kind: 'refresh', token }, expiresAt: endOfJwt(token, settings.clock.now()) };
    },
  };
}

type Asking = AzureSettings & { readonly ask: AskCloud };

async function exchange(settings: Asking, identity: string, signal: AbortSignal): Promise<string> {
  const { origin, tenantId = settings.env['AZURE_TENANT_ID'], ask } = settings;
  const who = `the token exchange at ${origin.host}`;
  const form = {
    grant_type: 'access_token',
    service: origin.host,
    ...(tenantId ? { tenant: tenantId } : {}),
    access_token: identity,
  };
  const url = new URL('/oauth2/exchange', origin);
  return textIn(await ask({ who, url, reach: 'anywhere', form, signal }), 'refresh_token', who);
}

/** An access token of Entra ID: for a workload with a federated token, App Service, or the machine. */
async function identityToken(settings: Asking, signal: AbortSignal): Promise<string> {
  const { env } = settings;
  if (env['AZURE_FEDERATED_TOKEN_FILE']) {
    return await workloadToken(settings, env['AZURE_FEDERATED_TOKEN_FILE'], signal);
  }
  const { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: header } = env;
  if (endpoint && header) {
    const service = { base: endpoint, reach: 'anywhere', version: '2019-08-01', header } as const;
    return await managedToken(settings, service, signal);
  }
  const { origin, reach } = ownOr(env['AZURE_POD_IDENTITY_AUTHORITY_HOST'], `http://${metadataAddress}`);
  return await managedToken(
    settings,
    { base: `${origin}${metadataPath}`, reach, version: '2018-02-01' },
    signal,
  );
}

/** Who the environment says is to be asked, or the cloud's own. */
function ownOr(named: string | undefined, own: string): { origin: string; reach: Reach } {
  return named ? { origin: named, reach: 'anywhere' } : { origin: own, reach: 'private' };
}

async function workloadToken(settings: Asking, file: string, signal: AbortSignal): Promise<string> {
  const { env, ask, resource = defaultResource } = settings;
  const clientId = settings.clientId ?? env['AZURE_CLIENT_ID'];
  const tenantId = settings.tenantId ?? env['AZURE_TENANT_ID'];
  if (!clientId || !tenantId) {
    throw new RegistryError('DENIED', 'azure: a workload identity needs clientId and tenantId');
  }
  const who = 'Entra ID';
  const form = {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_assertion_type: assertionType,
    client_assertion: (await readSecretFile('azure', file)).trim(),
    scope: `${resource.replace(/\/$/, '')}/.default`,
  };
  const { origin, reach } = ownOr(env['AZURE_AUTHORITY_HOST'], defaultAuthority);
  const url = new URL(`${encodeURIComponent(tenantId)}/oauth2/v2.0/token`, origin.replace(/\/?$/, '/'));
  return textIn(await ask({ who, url, reach, form, signal }), 'access_token', who);
}

interface ManagedEndpoint {
  readonly base: string;
  readonly reach: Reach;
  readonly version: string;
  /** App Service's proof that the process may ask. */
  readonly header?: string;
}

async function managedToken(
  settings: Asking,
  { base, reach, version, header }: ManagedEndpoint,
  signal: AbortSignal,
): Promise<string> {
  const { resource = defaultResource, clientId = settings.env['AZURE_CLIENT_ID'], ask } = settings;
  if (!URL.canParse(base)) throw new RegistryError('DENIED', 'azure: the identity endpoint is no URL');
  const url = new URL(base);
  url.searchParams.set('api-version', version);
  url.searchParams.set('resource', resource);
  if (clientId) url.searchParams.set('client_id', clientId);
  const who = `the identity endpoint at ${url.host}`;
  const headers = header === undefined ? { metadata: 'true' } : { 'x-identity-header': header };
  return textIn(await ask({ who, url, reach, headers, signal }), 'access_token', who);
}

/** The `exp` of a JWT that nobody here needs to believe: it is the registry's to check. */
function endOfJwt(token: string, now: number): number {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const { exp } = claims as { exp?: unknown };
    if (typeof exp === 'number' && Number.isFinite(exp)) return exp * 1000;
  } catch {
    // No JWT: its life is as documented.
  }
  return now + refreshTokenLifeMs;
}
