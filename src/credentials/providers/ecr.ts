import type { AuthorizationData } from '@aws-sdk/client-ecr';
import * as z from 'zod';
import { RegistryError } from '../../oci/error.ts';
import { word } from '../../values/text.ts';
import type { ProvidedCredential } from '../credentials.ts';
import { parseEcrHost } from '../ecr-host.ts';
import { type CredentialSource, RefreshingCredentials } from '../refreshing-credentials.ts';
import { type AwsClientSettings, awsClientSettings, awsIdentity } from './aws-client.ts';
import { AwsSource } from './aws-source.ts';
import { provider } from './provider.ts';

export const ecr = provider({
  name: 'ecr',
  options: z.strictObject({ ...awsIdentity, region: word() }),
  open: (options, parts) =>
    new RefreshingCredentials({ ...parts, source: ecrSource({ ...parts, ...options }) }),
});

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
  return new AwsSource(ecr.name, async () => {
    const { ECRClient, GetAuthorizationTokenCommand } = await import('@aws-sdk/client-ecr');
    const named = parseEcrHost(settings.host);
    const client = new ECRClient({
      ...(await awsClientSettings(ecr.name, settings, named?.region ?? settings.region)),
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
