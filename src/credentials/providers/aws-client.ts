import { Agent } from 'node:https';
import { lookupFunction } from '../../net/dial/lookup-function.ts';
import type { NameLookups } from '../../net/dial/name-lookups.ts';
import type { ProxyChoice } from '../../net/dial/proxy-choice.ts';

/** Who we are at AWS. What is absent is found as everywhere with AWS: environment, files, the machine's or pod's role. */
export interface AwsClientSettings {
  readonly profile?: string | undefined;
  /** Taken on with the identity that was found. */
  readonly roleArn?: string | undefined;
  readonly proxies: ProxyChoice;
  readonly names: NameLookups;
}

const connectTimeoutMs = 5000;
const requestTimeoutMs = 10_000;
const sessionName = 'ociregistry';

/** What every client of the AWS SDK is made with. The SDK is loaded when it is wanted. */
export async function awsClientSettings(
  { profile, roleArn, proxies, names }: AwsClientSettings,
  region: string | undefined,
) {
  const aws = await import('@aws-sdk/credential-providers');
  const place = region === undefined ? {} : { region };
  const requestHandler = {
    connectionTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    throwOnRequestTimeout: true,
    // The SDK knows no proxies by itself. Plain http is for metadata servers, which are never behind one.
    httpsAgent: new Agent({ proxyEnv: proxies.env, lookup: lookupFunction(names) }),
  };
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
