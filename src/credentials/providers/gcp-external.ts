import { isLoopback } from '../../base/loopback.ts';
import { jsonObject } from '../../json/json-object.ts';
import { knownAddress } from '../../net/dial/address.ts';
import { RegistryError } from '../../oci/error.ts';
import { type AskCloud, endOf, textIn } from './cloud-request.ts';
import type { Reach } from './cloud-rule.ts';
import { fieldOf, type KeyFile, reachOf, urlOf, wrongKey } from './gcp-key-file.ts';
import { readSecretFile } from './secret-file.ts';

export interface ExternalIdentity {
  readonly key: KeyFile;
  /** What the access token is asked for. */
  readonly scope: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly ask: AskCloud;
  readonly signal: AbortSignal;
}

export interface AccessToken {
  readonly value: string;
  readonly expiresAt?: number;
}

const defaultTokenUrl = 'https://sts.googleapis.com/v1/token';
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
const defaultLifeSeconds = 3600;

/**
 * Workload identity federation, a file of type `external_account`: a token of another identity provider, from a file or a
 * URL, is exchanged at Google's Security Token Service (RFC 8693), and what comes of it for a service account's, if the file
 * names one. Subjects from AWS, certificates and programs are not known here.
 */
export async function externalToken(identity: ExternalIdentity): Promise<AccessToken> {
  const { key, scope, now, ask, signal } = identity;
  const url = urlOf(key, 'token_url', defaultTokenUrl);
  const who = `Google at ${url.host}`;
  const form = {
    grant_type: exchangeGrant,
    audience: fieldOf(key, 'audience'),
    scope,
    requested_token_type: accessTokenType,
    subject_token_type: fieldOf(key, 'subject_token_type'),
    subject_token: await subjectToken(identity),
  };
  const answer = await ask({ who, url, reach: reachOf(url), form, signal });
  const token = { value: textIn(answer, 'access_token', who), ...endOf(answer, now) };
  return key.fields['service_account_impersonation_url'] === undefined
    ? token
    : await impersonated(identity, token.value);
}

/** IAM Service Account Credentials, `generateAccessToken`. */
async function impersonated(
  { key, scope, ask, signal }: ExternalIdentity,
  token: string,
): Promise<AccessToken> {
  const url = urlOf(key, 'service_account_impersonation_url');
  const who = `Google at ${url.host}`;
  const { token_lifetime_seconds: seconds = defaultLifeSeconds } = mapping(
    key.fields['service_account_impersonation'],
  );
  const answer = await ask({
    who,
    url,
    reach: reachOf(url),
    headers: { authorization: `Bearer ${token}` },
    body: { scope: [scope], lifetime: `${Number(seconds)}s` },
    signal,
  });
  const expiresAt = Date.parse(String(answer.json['expireTime']));
  const value = textIn(answer, 'accessToken', who);
  return { value, ...(Number.isFinite(expiresAt) && { expiresAt }) };
}

/** Read or asked for each time: such tokens live for minutes. */
async function subjectToken({ key, ask, signal }: ExternalIdentity): Promise<string> {
  const source = mapping(key.fields['credential_source']);
  const { file, url, headers, format } = source;
  if (typeof file === 'string')
    return subjectIn(await readSecretFile('gcp', file), format, JSON.stringify(file));
  if (typeof url !== 'string')
    throw wrongKey(key.path, 'has no credential_source of file or url; provider exec may know it');
  const from = urlOf({ path: key.path, fields: source }, 'url');
  const who = `the subject token's source at ${from.host}`;
  const { text } = await ask({ who, url: from, reach: sourceReach(from), headers: texts(headers), signal });
  return subjectIn(text, format, who);
}

/** Such sources are services of the machine or the pod itself more often than not. */
function sourceReach(url: URL): Reach {
  return isLoopback(knownAddress(url.hostname)) ? 'anywhere' : reachOf(url);
}

/** The whole text, or one field of JSON. */
function subjectIn(text: string, format: unknown, who: string): string {
  const { type = 'text', subject_token_field_name: name } = mapping(format);
  const value = type === 'json' ? jsonObject(text)?.[String(name)] : text;
  if (typeof value === 'string' && value.trim() !== '') return value.trim();
  throw new RegistryError('DENIED', `gcp: ${who} holds no subject token`);
}

function texts(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(mapping(value)).map(([name, text]) => [name.toLowerCase(), String(text)]),
  );
}

function mapping(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
