import { networkOf } from '../../base/network-of.ts';
import type { Exchange } from '../../http/exchange/exchange.ts';
import { askedScopes } from '../tokens/asked-scopes.ts';
import type { OAuthClients } from '../tokens/oauth-clients.ts';
import { refuseSecretsIn, sentForm } from '../tokens/sent-form.ts';
import { TokenError } from '../tokens/token-error.ts';
import { type DeviceCodes, deviceIntervalMs, deviceLifeMs } from './device-codes.ts';
import type { SignIn } from './sign-in.ts';

export interface DeviceAuthorizationParts {
  readonly clients: OAuthClients;
  readonly devices: DeviceCodes;
  readonly signIn: Pick<SignIn, 'addressOf'>;
  readonly publicUrl: string;
}

/** `POST /device_authorization` (RFC 8628 sections 3.1 and 3.2). Throws TokenError (400, 401), RegistryError (413, 408, 429). */
export async function deviceAuthorization(
  exchange: Exchange,
  { clients, devices, signIn, publicUrl }: DeviceAuthorizationParts,
): Promise<object> {
  refuseSecretsIn(exchange);
  const form = await sentForm(exchange);
  const network = networkOf(signIn.addressOf(exchange));
  const client = clients.authenticated(exchange.request.headers.authorization, form, network);
  exchange.subject = client.id;
  if (!client.grants.includes('device_code'))
    throw new TokenError('unauthorized_client', 'the client may not use device_code');
  const scopes = askedScopes(client.scopes, form.get('scope'));
  const { deviceCode, userCode } = devices.begin(network, client, scopes);
  const page = `${publicUrl}/device`;
  return {
    ...{ device_code: deviceCode, user_code: userCode, verification_uri: page },
    verification_uri_complete: `${page}?user_code=${userCode}`,
    ...{ expires_in: deviceLifeMs / 1000, interval: deviceIntervalMs / 1000 },
  };
}
