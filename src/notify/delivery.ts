import type { Clock } from '../base/clock.ts';
import { retryAfterMs } from '../net/retry-after.ts';
import type { Transport } from '../net/transport.ts';
import { RegistryError } from '../oci/error.ts';
import { envelopeOf, eventsType } from './event-text.ts';
import { signed } from './signature.ts';

/** Where events are sent. */
export interface EndpointSettings {
  /** Its path is a secret: many receivers know their senders by it. */
  readonly url: URL;
  /** Undefined: nothing is signed. */
  readonly secret: string | undefined;
}

/**
 * What became of a try. `refused`: for what was sent (400, 413, 415, 422), which will be refused again; `failed`: for whatever may be over some time, not
 * before `waitMs` where the endpoint has said so. `problem` in words, without the path.
 */
export type Verdict =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'failed'; readonly problem: string; readonly waitMs: number | undefined };

const refusals: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/** Sends some events once, in one envelope. Throws nothing but the signal's reason. */
export async function deliver(
  texts: readonly string[],
  { url, secret }: EndpointSettings,
  {
    transport,
    clock,
    signal,
  }: { readonly transport: Transport; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Verdict> {
  const body = envelopeOf(texts);
  const signature = secret === undefined ? {} : signed(body, secret, clock.now());
  const headers = { 'content-type': eventsType, ...signature };
  try {
    await using answer = await transport.send({ method: 'POST', url, headers, body, signal });
    return verdictOn(answer.status, answer.headers['retry-after'], clock.now());
  } catch (error) {
    signal.throwIfAborted();
    return { kind: 'failed', problem: problemIn(error), waitMs: undefined };
  }
}

function problemIn(error: unknown): string {
  if (error instanceof RegistryError) return error.forOperator;
  return error instanceof Error ? error.message : String(error);
}

/** No redirect is followed: the signature is for who was configured. */
function verdictOn(status: number, retryAfter: string | undefined, now: number): Verdict {
  if (status >= 200 && status < 300) return { kind: 'taken' };
  const problem = `it answered ${status}`;
  if (refusals.has(status)) return { kind: 'refused', problem };
  return { kind: 'failed', problem, waitMs: retryAfterMs(retryAfter, now) };
}
