import { word } from '../../values/text.ts';
import { AwsHandler } from './aws-handler.ts';
import { CloudRule } from './cloud-rule.ts';
import type { ProviderParts } from './provider.ts';

/** Who we are at AWS. What is absent is found as everywhere with AWS: environment, files, the machine's or pod's role. */
export const awsIdentity = {
  profile: word(),
  /** Taken on with the identity that was found. */
  roleArn: word(),
};

export interface AwsClientSettings extends Pick<ProviderParts, 'connect' | 'log'> {
  readonly profile?: string | undefined;
  readonly roleArn?: string | undefined;
}

const sessionName = 'ociregistry';

/** What every client of the AWS SDK is made with. The SDK is loaded when it is wanted. */
export async function awsClientSettings(
  who: string,
  { profile, roleArn, connect, log }: AwsClientSettings,
  region: string | undefined,
) {
  const aws = await import('@aws-sdk/credential-providers');
  const place = region === undefined ? {} : { region };
  // Where the SDK asks is its own choice or that of AWS's files and variables: at a private address there is a VPC endpoint.
  const rule = new CloudRule({ who, reach: 'private', metadata: [], log });
  const requestHandler = new AwsHandler(connect(rule));
  // Files are read anew for each client: they may have been mended since. A profile that is named is the identity, or
  // there is none: the usual chain would go on to that of the machine.
  const found =
    profile === undefined
      ? aws.fromNodeProviderChain({ ignoreCache: true })
      : aws.fromIni({ profile, ignoreCache: true });
  const credentials =
    roleArn === undefined
      ? found
      : aws.fromTemporaryCredentials({
          masterCredentials: found,
          params: { RoleArn: roleArn, RoleSessionName: sessionName },
          clientConfig: { ...place, requestHandler },
        });
  return { ...place, ...(profile !== undefined && { profile }), credentials, requestHandler };
}
