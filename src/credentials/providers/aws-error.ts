import { RegistryError } from '../../oci/error.ts';

/** What to do about an error of AWS, by its name. */
const advice: Readonly<Record<string, string>> = {
  AccessDenied: 'the identity may not do this: see its policies, and the trust policy of the role',
  AccessDeniedException: 'the identity may not do this: see its policies, and the trust policy of the role',
  CredentialsProviderError:
    'no usable AWS identity: see the profile, the environment, and the role of the machine or pod',
  ExpiredToken: 'the AWS session has expired',
  ExpiredTokenException: 'the AWS session has expired',
  IncompleteSignature: 'the AWS keys are not whole',
  InvalidClientTokenId: 'the AWS access key is not known',
  InvalidSignatureException: 'the AWS secret key is not that of the access key, or the clock is wrong',
  SignatureDoesNotMatch: 'the AWS secret key is not that of the access key, or the clock is wrong',
  UnrecognizedClientException: 'the AWS access key is not known',
};

const throttling: ReadonlySet<string> = new Set([
  'ThrottlingException',
  'Throttling',
  'TooManyRequestsException',
]);

/**
 * An error of the AWS SDK in our terms: 502, 503 or 504 when AWS is out of order, DENIED when we are. Messages of AWS may
 * hold session tokens, those of credential processes anything: none is passed on as it is.
 */
export function awsError(provider: string, error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  if (!(error instanceof Error)) return unavailable(`no credentials from ${provider}`, 502);
  const status = statusOf(error);
  const reason = isConnection(error) ? 'no connection to AWS' : reasonOf(error);
  const details = status === 0 ? nameOf(error) : `${nameOf(error)}, ${status}`;
  const message = `no credentials from ${provider}: ${reason ?? 'AWS refused'} (${details})`;
  if (throttling.has(error.name)) return unavailable(message, 503);
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return unavailable(message, 504);
  if (status >= 500) return unavailable(message, status === 503 || status === 504 ? status : 502);
  if (isConnection(error)) return unavailable(message, 502);
  return new RegistryError('DENIED', message);
}

function reasonOf({ name, message }: Error): string | undefined {
  const profile = /using profile: \[([\w .:@/+=-]{1,128})\]/.exec(message)?.[1];
  if (profile !== undefined)
    return `the AWS profile ${JSON.stringify(profile)} is not known, or gives no identity`;
  if (message === 'Region is missing')
    return 'no AWS region among the options, in AWS_REGION or in the profile (is its name right?)';
  return advice[name];
}

function statusOf(error: Error): number {
  const { $metadata } = error as { $metadata?: { httpStatusCode?: unknown } };
  const status = $metadata?.httpStatusCode;
  return typeof status === 'number' && status >= 300 ? status : 0;
}

function isConnection(error: Error): boolean {
  if (error.cause instanceof Error && isConnection(error.cause)) return true;
  return (
    'code' in error &&
    typeof error.code === 'string' &&
    /^E[A-Z_]+$|^ERR_SSL|^CERT_|^UNABLE_/.test(error.code)
  );
}

function nameOf({ name }: Error): string {
  return /^\w{1,80}$/.test(name) ? name : 'Error';
}

function unavailable(message: string, status: number): RegistryError {
  return new RegistryError('UNAVAILABLE', message, { status });
}
