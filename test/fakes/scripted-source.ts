import type { Credential, ProvidedCredential } from '#src/credentials/credentials.ts';
import type { CredentialSource } from '#src/credentials/refreshing-credentials.ts';

/** Decides how a fetch is answered; what it throws is what the source throws. */
export type FetchScript = (
  count: number,
  signal: AbortSignal,
) => Partial<ProvidedCredential> | Promise<never>;

/** A source of credentials that does what the test says: `token-1`, `token-2`, … unless it says otherwise. */
export class ScriptedSource implements CredentialSource {
  readonly name = 'scripted';
  fetches = 0;
  disposed = false;
  script: FetchScript;

  constructor(script: FetchScript = () => ({})) {
    this.script = script;
  }

  async fetch(signal: AbortSignal): Promise<ProvidedCredential> {
    this.fetches += 1;
    const count = this.fetches;
    return { credential: tokenCredential(`token-${count}`), ...(await this.script(count, signal)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
  }
}

export function tokenCredential(token: string): Credential {
  return { kind: 'static', authorization: `Basic ${token}` };
}
