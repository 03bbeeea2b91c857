import { Agent, request } from 'undici';
import { jsonObject } from '../../json/json-object.ts';
import { lookupFunction } from '../../net/dial/lookup-function.ts';
import type { NameLookups } from '../../net/dial/name-lookups.ts';
import type { ProxyChoice } from '../../net/dial/proxy-choice.ts';
import { connectorOf, connectThroughProxy } from '../../net/dial/proxy-tunnel.ts';
import { RegistryError } from '../../oci/error.ts';

export interface CloudRequest {
  /** Who is asked, for messages: `the metadata server`. */
  readonly who: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent by POST; without it, and without a body, is a GET. */
  readonly form?: Readonly<Record<string, string>>;
  /** Sent as JSON by POST. */
  readonly body?: unknown;
  /** For https. Plain http is spoken by the services of a machine for itself, which no proxy can reach. */
  readonly proxies: ProxyChoice;
  readonly names: NameLookups;
  readonly signal: AbortSignal;
}

export interface CloudAnswer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** The text's fields; none if it is no JSON. */
  readonly json: Readonly<Record<string, unknown>>;
}

const maxBodyBytes = 64 * 1024;
const headersTimeoutMs = 10_000;
const connectTimeoutMs = 10_000;

/**
 * One question to a cloud's API: JSON, never a redirect. Throws UNAVAILABLE (502, 503, 504) when it cannot be asked and
 * DENIED when it refuses; messages quote its error codes only.
 */
export async function askCloud(question: CloudRequest): Promise<CloudAnswer> {
  const { who, url, headers, signal } = question;
  const content = contentOf(question);
  const dispatcher = agentFor(question);
  try {
    const answer = await request(url, {
      dispatcher,
      method: content === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'application/json',
        ...(content && { 'content-type': content.type }),
        ...headers,
      },
      body: content?.text ?? null,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: headersTimeoutMs,
      reset: true,
      signal,
    });
    const text = await bounded(answer.body);
    const json = jsonObject(text);
    if (answer.statusCode !== 200) throw refusal(who, answer.statusCode, json);
    return { headers: answer.headers, text, json: json ?? {} };
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof RegistryError ? error : unreachable(who, error);
  } finally {
    await dispatcher.destroy();
  }
}

/** For one question: they are hours apart. */
function agentFor({ url, proxies, names }: CloudRequest): Agent {
  const proxy = url.protocol === 'https:' ? proxies.of(url) : undefined;
  if (proxy === undefined) {
    return new Agent({ connect: { timeout: connectTimeoutMs, lookup: lookupFunction(names) } });
  }
  const settings = { proxy, names, proxyTls: async () => ({}), tls: {}, timeoutMs: connectTimeoutMs };
  return new Agent({ connect: connectorOf(async (options) => await connectThroughProxy(options, settings)) });
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

function contentOf({ form, body }: CloudRequest): { type: string; text: string } | undefined {
  if (form !== undefined)
    return { type: 'application/x-www-form-urlencoded', text: new URLSearchParams(form).toString() };
  return body === undefined ? undefined : { type: 'application/json', text: JSON.stringify(body) };
}

async function bounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new RegistryError('UNAVAILABLE', 'the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
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

function unreachable(who: string, error: unknown): RegistryError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown cause';
  const status = /TIMEOUT|ETIMEDOUT/.test(code) ? 504 : 502;
  return new RegistryError('UNAVAILABLE', `no answer from ${who} (${code})`, { status });
}
