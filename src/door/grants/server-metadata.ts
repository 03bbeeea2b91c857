import { type GrantName, grantTypes } from '../tokens/grant-name.ts';

export interface MetadataSettings {
  /** The name of this server to clients, and where its endpoints are. */
  readonly publicUrl: string;
  /** Those that any client has. */
  readonly grants: ReadonlySet<GrantName>;
  /** May a client have no secret? */
  readonly hasPublicClients: boolean;
  /** Are tokens signed by keys that are published? */
  readonly hasKeys: boolean;
}

/** What clients find out by themselves (RFC 8414 section 2). */
export function serverMetadata({ publicUrl, grants, hasPublicClients, hasKeys }: MetadataSettings): object {
  const isPaged = grants.has('authorization_code');
  const byCode = {
    authorization_endpoint: `${publicUrl}/authorize`,
    response_modes_supported: ['query'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  };
  const methods = ['client_secret_basic', 'client_secret_post', ...(hasPublicClients ? ['none'] : [])];
  return {
    issuer: publicUrl,
    token_endpoint: `${publicUrl}/token`,
    token_endpoint_auth_methods_supported: methods,
    grant_types_supported: [...grants].map((name) => grantTypes[name]),
    response_types_supported: isPaged ? ['code'] : [],
    ...(isPaged && byCode),
    ...(grants.has('device_code') && { device_authorization_endpoint: `${publicUrl}/device_authorization` }),
    ...(hasKeys && { jwks_uri: `${publicUrl}/v2/token/jwks.json` }),
  };
}

const wellKnown = '/.well-known/oauth-authorization-server';

/** Where it is: the path of the URL is behind it (RFC 8414 section 3.1), unless a proxy has taken that away. Nowhere, where clients have no URL of it. */
export function metadataPaths(publicUrl: string): readonly string[] {
  if (publicUrl === '') return [];
  const { pathname } = new URL(publicUrl);
  return pathname === '/' ? [wellKnown] : [wellKnown, `${wellKnown}${pathname}`];
}
