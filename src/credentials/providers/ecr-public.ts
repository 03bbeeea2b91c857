import type { AuthorizationData } from '@aws-sdk/client-ecr-public';
import * as z from 'zod';
import { RegistryError } from '../../oci/error.ts';
import type { ProvidedCredential } from '../credentials.ts';
import { type CredentialSource, RefreshingCredentials } from '../refreshing-credentials.ts';
import { type AwsClientSettings, awsClientSettings, awsIdentity } from './aws-client.ts';
import { AwsSource } from './aws-source.ts';
import { provider } from './provider.ts';

export const ecrPublic = provider({
  name: 'ecr-public',
  options: z.strictObject(awsIdentity),
  open: (options, parts) =>
    new RefreshingCredentials({ ...parts, source: ecrPublicSource({ ...parts, ...options }) }),
});

/** The one region that has this API. */
const region = 'us-east-1';

/**
 * public.ecr.aws, where who is known may pull more often. User and password are for its token server; needs
 * `ecr-public:GetAuthorizationToken` and `sts:GetServiceBearerToken`.
 */
function ecrPublicSource(settings: AwsClientSettings): CredentialSource {
  return new AwsSource(ecrPublic.name, async () => {
    const { ECRPUBLICClient, GetAuthorizationTokenCommand } = await import('@aws-sdk/client-ecr-public');
    const client = new ECRPUBLICClient(await awsClientSettings(ecrPublic.name, settings, region));
    return {
      ask: async (abortSignal) => {
        const answer = await client.send(new GetAuthorizationTokenCommand({}), { abortSignal });
        return credentialOf(answer.authorizationData);
      },
      close: () => client.destroy(),
    };
  });
}

/** The token is `user:password` in base64. */
function credentialOf({ authorizationToken = '', expiresAt }: AuthorizationData = {}): ProvidedCredential {
  const text = Buffer.from(authorizationToken, 'base64').toString('utf8');
  const [, username, password] = /^([^:]+):(.+)$/s.exec(text) ?? [];
  if (username === undefined || password === undefined) {
    throw new RegistryError('UNAVAILABLE', 'no credentials from ecr-public: AWS answered without a token');
  }
  return {
    credential: { kind: 'basic', username, password },
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.getTime() }),
  };
}
