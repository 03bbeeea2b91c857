/** What the host of a private registry at AWS says of it. */
export interface EcrHost {
  readonly account: string;
  readonly region: string;
  readonly isFips: boolean;
  readonly isDualStack: boolean;
}

/** As amazon-ecr-credential-helper knows them: all partitions, FIPS, dual stack. */
const pattern =
  /^(?<account>[0-9]+)\.dkr[.-]ecr(?<fips>-fips)?\.(?<region>[a-z0-9][a-z0-9_-]*)\.(?:amazonaws\.(?:com|com\.cn|eu)|(?<dual>on\.(?:aws|amazonwebservices\.com\.cn|amazonwebservices\.eu))|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)(?::[0-9]+)?$/;

/** Undefined: the host is no private registry at AWS, or not called by its own name. */
export function parseEcrHost(host: string): EcrHost | undefined {
  const { account = '', region = '', fips, dual } = pattern.exec(host)?.groups ?? {};
  if (region === '') return undefined;
  return { account, region, isFips: fips !== undefined, isDualStack: dual !== undefined };
}
