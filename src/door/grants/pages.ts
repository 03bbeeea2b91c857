import type { Exchange } from '../../http/exchange/exchange.ts';
import { RegistryError } from '../../oci/error.ts';
import type { BrowserAnswer } from '../tokens/browser-answer.ts';
import { type Form, sentForm } from '../tokens/sent-form.ts';
import { otherPage } from './own-page.ts';
import { faultPage } from './page.ts';

/** What a form of ours says, from a page of ours. Else what its reader is shown. Throws TokenError, RegistryError (413, 408). */
export async function sentFromHere(exchange: Exchange, publicUrl: URL): Promise<Form | BrowserAnswer> {
  const form = await sentForm(exchange);
  const fault = otherPage(exchange, publicUrl);
  return fault === undefined ? form : faultPage(403, fault);
}

/** Where nobody is looked at now, its reader hears that from a page too. Throws what is no such thing. */
export async function orBusy(answer: () => Promise<BrowserAnswer>): Promise<BrowserAnswer> {
  try {
    return await answer();
  } catch (error) {
    if (!(error instanceof RegistryError) || (error.status !== 429 && error.status !== 503)) throw error;
    const { status, headers } = error;
    const fault =
      status === 429
        ? 'Too much that was wrong came from this address: go back and try again in a minute.'
        : 'Passwords cannot be looked at now: go back and try again.';
    return faultPage(status, fault, headers);
  }
}
