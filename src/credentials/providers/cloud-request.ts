import type { Log } from '../../base/log.ts';
import { jsonObject } from '../../json/json-object.ts';
import { RegistryError } from '../../oci/error.ts';
import { CloudRule, type Reach } from './cloud-rule.ts';
import type { Connect } from './provider.ts';

interface CloudRequest {
  /** Who is asked, for messages: `the metadata server`. */
  readonly who: string;
  readonly url: URL;
  /** Where that may be. */
  readonly reach: Reach;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent by POST; without it, and without a body, is a GET. */
  readonly form?: Readonly<Record<string, string>>;
  /** Sent as JSON by POST. */
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

export interface CloudAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The text's fields; none if it is no JSON. */
  readonly json: Readonly<Record<string, unknown>>;
}

/**
 * One question to a cloud's API: JSON, never a redirect. Throws UNAVAILABLE (502, 503, 504) when it cannot be asked and
 * DENIED when it refuses or is where it may not be; messages quote its error codes only.
 */
export type AskCloud = (question: CloudRequest) => Promise<CloudAnswer>;

export interface CloudSettings {
  /** The provider. */
  readonly name: string;
  /** Addresses of its metadata service. */
  readonly metadata: readonly string[];
  readonly connect: Connect;
  readonly log: Log;
}

/** How one provider asks its cloud. Questions are hours apart: each has a connection of its own. */
export function cloudAsker({ name, metadata, connect, log }: CloudSettings): AskCloud {
  return async (question) => {
    const { who, url, reach, signal } = question;
    const content = contentOf(question);
    const method = content === undefined ? 'GET' : 'POST';
    const headers = headersOf(question, content);
    await using questions = connect(new CloudRule({ who: name, reach, metadata, log }));
    const answer = await questions.ask({ method, url, headers, body: content?.text, signal });
    const text = answer.body.toString('utf8');
    const json = jsonObject(text);
    if (answer.status !== 200) throw refusal(who, answer.status, json);
    return { headers: answer.headers, text, json: json ?? {} };
  };
}

/** A text that is fit for a header or a form. Throws UNAVAILABLE. */
export function textIn({ json }: CloudAnswer, key: string, who: string): string {
  const value = json[key];
  if (typeof value === 'string' && /^[!-~]+$/.test(value)) return value;
  throw new RegistryError('UNAVAILABLE', `${who} answered without ${key}`);
}

/** When what lives for `expires_in` seconds ends. Metadata servers send the number as text. */
export function endOf({ json }: CloudAnswer, now: number): { expiresAt?: number } {
  const seconds = Number(json['expires_in']);
  return Number.isFinite(seconds) && seconds > 0 ? { expiresAt: now + seconds * 1000 } : {};
}

const oauthErrors: ReadonlySet<string> = new Set([
  'access_denied',
  'invalid_client',
  'invalid_grant',
  'invalid_request',
  'invalid_resource',
  'invalid_scope',
  'unauthorized_client',
  'unsupported_grant_type',
]);

interface Content {
  readonly type: string;
  readonly text: string;
}

function contentOf({ form, body }: CloudRequest): Content | undefined {
  if (form !== undefined)
    return { type: 'application/x-www-form-urlencoded', text: new URLSearchParams(form).toString() };
  return body === undefined ? undefined : { type: 'application/json', text: JSON.stringify(body) };
}

function headersOf({ headers }: CloudRequest, content: Content | undefined): Record<string, string> {
  return { accept: 'application/json', ...(content && { 'content-type': content.type }), ...headers };
}

function refusal(
  who: string,
  status: number,
  json: Readonly<Record<string, unknown>> | undefined,
): RegistryError {
  const message = [`${who} answered ${status}`, ...codesIn(json)].join(', ');
  if (status === 429 || status === 503 || status === 504) {
    return new RegistryError('UNAVAILABLE', message, { status: status === 504 ? 504 : 503 });
  }
  return status >= 500 ? new RegistryError('UNAVAILABLE', message) : new RegistryError('DENIED', message);
}

/** OAuth2's `error` (RFC 6749 section 5.2), and the number that Entra ID puts in front of its description. */
function codesIn(json: Readonly<Record<string, unknown>> | undefined): string[] {
  const { error, error_description: description } = json ?? {};
  const code = typeof error === 'string' && oauthErrors.has(error) ? [error] : [];
  const number = typeof description === 'string' ? /^AADSTS\d{1,8}/.exec(description)?.[0] : undefined;
  return number === undefined ? code : [...code, number];
}
