/** How a client gets a token, by the name that the configuration has for it. */
export type GrantName =
  | 'client_credentials'
  | 'password'
  | 'authorization_code'
  | 'device_code'
  | 'refresh_token';

/** `grant_type` (RFC 6749 sections 4 and 6, RFC 8628 section 3.4). */
export const grantTypes: Readonly<Record<GrantName, string>> = {
  client_credentials: 'client_credentials',
  password: 'password',
  authorization_code: 'authorization_code',
  device_code: 'urn:ietf:params:oauth:grant-type:device_code',
  refresh_token: 'refresh_token',
};
