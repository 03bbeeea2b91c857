import type { AuthorizationData } from '@aws-sdk/client-ecr';
import { RegistryError } from '../../oci/error.ts';
import type { ProvidedCredential } from '../credentials.ts';
import { parseEcrHost } from '../ecr-host.ts';
import type { CredentialSource } from '../refreshing-credentials.ts';
import { type AwsClientSettings, awsClientSettings } from './aws-client.ts';
import { AwsSource } from './aws-source.ts';

export interface EcrSettings extends AwsClientSettings {
  /** The registry's host. Its region, if it names one, is the one in which its tokens are made. */
  readonly host: string;
  /** For hosts that name none. Default: AWS's own configuration. */
  readonly region?: string | undefined;
}

/**
 * Amazon ECR: `GetAuthorizationToken`, as `aws ecr get-authorization-token`. The token is sent with the first
 * request, as it is: `Basic <token>`.
 */
export function ecrSource(settings: EcrSettings): CredentialSource {
  return new AwsSource('ecr', async () => {
    const { ECRClient, GetAuthorizationTokenCommand } = await import('@aws-sdk/client-ecr');
    const named = parseEcrHost(settings.host);
    const client = new ECRClient({
      ...(await awsClientSettings(settings, named?.region ?? settings.region)),
      ...(named?.isFips === true && { useFipsEndpoint: true }),
      ...(named?.isDualStack === true && { useDualstackEndpoint: true }),
    });
    return {
      ask: async (abortSignal) => {
        const answer = await client.send(new GetAuthorizationTokenCommand({}), { abortSignal });
        return credentialOf(answer.authorizationData?.[0]);
      },
      close: () => client.destroy(),
    };
  });
}

function credentialOf({ authorizationToken = '', expiresAt }: AuthorizationData = {}): ProvidedCredential {
  if (!/^[\w+/=-]+$/.test(authorizationToken)) {
    throw new RegistryError('UNAVAILABLE', 'no credentials from ecr: AWS answered without a token');
  }
  return {
    credential: { kind: 'static', authorization: `Basic ${authorizationToken}` },
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.getTime() }),
  };
}
