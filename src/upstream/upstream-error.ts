import { readSome } from '../net/body.ts';
import { retryAfterHeader } from '../net/retry-after.ts';
import type { TransportResponse } from '../net/transport.ts';
import { type ErrorCode, RegistryError } from '../oci/error.ts';
import { own, type Wording, worded } from '../oci/wording.ts';
import { quotable } from './quotable.ts';

/** The code for "not there" of what was asked for. */
export type UnknownCode = Extract<ErrorCode, 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN' | 'NAME_UNKNOWN'>;

const maxBodyBytes = 8 * 1024;
const maxQuoted = 200;

/**
 * What an answer that is no success means to our client. Only 404 and 410 mean absence; 401 becomes 403, since
 * the client's own credentials are not in question. Reads a little of the body to quote upstream's reason.
 */
export async function upstreamError(
  response: TransportResponse,
  unknown: UnknownCode,
  now: number,
): Promise<RegistryError> {
  const { status, headers, url } = response;
  const reason = reasonOf(await readSome(response, maxBodyBytes));
  const words = quoted(reason.message, response.secrets?.() ?? []);
  const because = namesUs(response) ? own(words) : words;
  const said = worded`${url.origin} answered ${status}${meaning(response, reason)}${because}`;
  const retryAfter = retryAfterHeader(headers['retry-after'], now);
  switch (status) {
    case 404:
    case 410:
      return new RegistryError(reason.code === 'NAME_UNKNOWN' ? 'NAME_UNKNOWN' : unknown, said, {
        status: 404,
      });
    case 401:
    case 403:
    case 412: // Harbor: a policy blocks the image.
    case 451:
      return new RegistryError('DENIED', said);
    case 406: // It has it, but in no form that we take.
    case 415:
      return new RegistryError('UNSUPPORTED', said, { status: 415 });
    case 429:
      return new RegistryError('TOOMANYREQUESTS', said, { headers: retryAfter });
    default:
      return new RegistryError('UNAVAILABLE', said, { headers: status >= 500 ? retryAfter : {} });
  }
}

/** What its reader needs besides: as whom it was asked, where that may be the reason, or that it was asked by the wrong scheme. */
function meaning({ status, url, who }: TransportResponse, { speaksTls }: Reason): string | Wording {
  if (status === 400 && url.protocol === 'http:' && speaksTls === true)
    return ' (it speaks TLS on this port; set scheme: https)';
  return who !== undefined && (status === 401 || status === 403) ? worded`, ${who}` : '';
}

/**
 * May its words name who we are, as Amazon’s name the account and the role that it refuses, and Docker Hub’s (429) the user whose pulls are counted?
 * What is not there, or is broken, is nothing of ours.
 */
function namesUs({ status, who }: TransportResponse): boolean {
  return who !== undefined && !who.isForAll && status < 500 && status !== 404 && status !== 410;
}

interface Reason {
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  /** Does it say that it wants HTTPS, as nginx ("The plain HTTP request was sent to HTTPS port") and Go do? */
  readonly speaksTls?: boolean;
}

/** The first error of a body in the specification's form; anything else explains nothing. */
function reasonOf(bytes: Buffer): Reason {
  const text = bytes.toString('utf8');
  try {
    const json: unknown = JSON.parse(text);
    const { errors } = json as { errors?: readonly Record<string, unknown>[] };
    const { code, message } = errors?.[0] ?? {};
    return {
      code: typeof code === 'string' ? code : undefined,
      message: typeof message === 'string' && message !== '' ? message : undefined,
    };
  } catch {
    return { speaksTls: /\bHTTP request\b.{0,40}\bHTTPS (?:port|server)\b/is.test(text) };
  }
}

/** It is not for our client, nor for the log, to read a secret that upstream was sent. */
function quoted(message: string | undefined, secrets: readonly string[]): string {
  if (message === undefined) return '';
  const words = quotable(message, secrets);
  if (words === undefined) return ' (and said why, with a secret in it)';
  return `: ${words.slice(0, maxQuoted).replaceAll(/[^\P{C}]/gu, ' ')}`;
}

// What upstream has, whole and in order, and we cannot serve: about one image, and no outage (never 5xx).

/** Docker's schema 1 has no digest of its bytes to check, and no client that is supported reads it any more. */
export function isSchema1Only(): RegistryError {
  const message = 'upstream has this image as schema 1 only, which is not supported';
  return new RegistryError('UNSUPPORTED', message, { status: 415 });
}

/** Clients read no more than 4 MiB themselves (containerd, containers/image). */
export function isTooLarge(message: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', message, { status: 413 });
}
