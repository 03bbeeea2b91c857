import { Readable } from 'node:stream';
import { parseEcrHost } from '../../credentials/ecr-host.ts';
import { readSome } from '../../net/body.ts';
import type { TransportRequest, TransportResponse } from '../../net/transport.ts';

/** How a registry says that a credential is not good any more, when not by 401. */
interface ExpiryRule {
  readonly matches: (host: string) => boolean;
  readonly statuses: readonly number[];
  readonly text: RegExp;
}

const rules: readonly ExpiryRule[] = [
  {
    // "Your authorization token has expired. Reauthenticate and try again." The token lives for twelve hours at most,
    // and ends with the session of the role that it was had with.
    matches: (host) => parseEcrHost(host) !== undefined,
    statuses: [400, 403],
    text: /authorization token has expired/i,
  },
];

const maxBodyBytes = 8 * 1024;

/**
 * Is this the refusal of the credential that was sent? Looks into the body only where a rule is about it; hence use
 * the response that is given back. A HEAD has no body to say so and counts as a refusal then.
 */
export async function refusalIn(
  { method }: TransportRequest,
  response: TransportResponse,
): Promise<{ readonly refused: boolean; readonly response: TransportResponse }> {
  const { status, url } = response;
  const rule = rules.find(({ matches, statuses }) => statuses.includes(status) && matches(url.host));
  if (rule === undefined) return { refused: status === 401, response };
  if (method === 'HEAD') return { refused: true, response };
  const bytes = await readSome(response, maxBodyBytes);
  return { refused: rule.text.test(bytes.toString('utf8')), response: replayed(response, bytes) };
}

function replayed(response: TransportResponse, bytes: Buffer): TransportResponse {
  return { ...response, body: Readable.from([bytes]), giveBack: undefined };
}
