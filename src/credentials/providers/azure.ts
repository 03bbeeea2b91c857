import type { Clock } from '../../base/clock.ts';
import type { NameLookups } from '../../net/dial/name-lookups.ts';
import type { ProxyChoice } from '../../net/dial/proxy-choice.ts';
import { RegistryError } from '../../oci/error.ts';
import type { CredentialSource } from '../refreshing-credentials.ts';
import { askCloud, textIn } from './cloud-request.ts';
import { readSecretFile } from './secret-file.ts';

export interface AzureSettings {
  /** The registry's own origin, which exchanges the identity for a token of its own. */
  readonly origin: URL;
  readonly clientId?: string | undefined;
  readonly tenantId?: string | undefined;
  /** What the identity is asked for. Older registries want `https://management.azure.com/`. */
  readonly resource?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly proxies: ProxyChoice;
  readonly names: NameLookups;
}

const defaultResource = 'https://containerregistry.azure.net/';
const metadataOrigin = 'http://169.254.169.254';
const metadataPath = '/metadata/identity/oauth2/token';
const defaultAuthority = 'https://login.microsoftonline.com/';
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** What a registry's refresh token lives, unless it says so itself. */
const refreshTokenLifeMs = 3 * 3_600_000;

/**
 * Azure Container Registry: the identity of a workload or of the machine, exchanged at the registry for a refresh token
 * (ACR, "AAD OAuth" `POST /oauth2/exchange`).
 */
export function azureSource(settings: AzureSettings): CredentialSource {
  return {
    name: 'azure',
    async fetch(signal) {
      const identity = await identityToken(settings, signal);
      const token = await exchange(settings, identity, signal);
      return { credential: { kind: 'refresh', token }, expiresAt: endOfJwt(token, settings.clock.now()) };
    },
  };
}

async function exchange(settings: AzureSettings, identity: string, signal: AbortSignal): Promise<string> {
  const { origin, tenantId = settings.env['AZURE_TENANT_ID'], proxies, names } = settings;
  const who = `the token exchange at ${origin.host}`;
  const form = {
    grant_type: 'access_token',
    service: origin.host,
    ...(tenantId ? { tenant: tenantId } : {}),
    access_token: identity,
  };
  const answer = await askCloud({
    who,
    url: new URL('/oauth2/exchange', origin),
    form,
    proxies,
    names,
    signal,
  });
  return textIn(answer, 'refresh_token', who);
}

/** An access token of Entra ID: for a workload with a federated token, App Service, or the machine. */
async function identityToken(settings: AzureSettings, signal: AbortSignal): Promise<string> {
  const { env } = settings;
  if (env['AZURE_FEDERATED_TOKEN_FILE']) {
    return await workloadToken(settings, env['AZURE_FEDERATED_TOKEN_FILE'], signal);
  }
  const { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: header } = env;
  if (endpoint && header) {
    return await managedToken(settings, { base: endpoint, version: '2019-08-01', header }, signal);
  }
  const base = `${env['AZURE_POD_IDENTITY_AUTHORITY_HOST'] || metadataOrigin}${metadataPath}`;
  return await managedToken(settings, { base, version: '2018-02-01' }, signal);
}

async function workloadToken(settings: AzureSettings, file: string, signal: AbortSignal): Promise<string> {
  const { env, proxies, names, resource = defaultResource } = settings;
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
  const authority = env['AZURE_AUTHORITY_HOST'] || defaultAuthority;
  const url = new URL(`${encodeURIComponent(tenantId)}/oauth2/v2.0/token`, authority.replace(/\/?$/, '/'));
  return textIn(await askCloud({ who, url, form, proxies, names, signal }), 'access_token', who);
}

interface ManagedEndpoint {
  readonly base: string;
  readonly version: string;
  /** App Service's proof that the process may ask. */
  readonly header?: string;
}

async function managedToken(
  settings: AzureSettings,
  { base, version, header }: ManagedEndpoint,
  signal: AbortSignal,
): Promise<string> {
  const { resource = defaultResource, clientId = settings.env['AZURE_CLIENT_ID'], proxies, names } = settings;
  if (!URL.canParse(base)) throw new RegistryError('DENIED', 'azure: the identity endpoint is no URL');
  const url = new URL(base);
  url.searchParams.set('api-version', version);
  url.searchParams.set('resource', resource);
  if (clientId) url.searchParams.set('client_id', clientId);
  const who = `the identity endpoint at ${url.host}`;
  const headers = header === undefined ? { metadata: 'true' } : { 'x-identity-header': header };
  return textIn(await askCloud({ who, url, headers, proxies, names, signal }), 'access_token', who);
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
