import type { Credential } from '../../credentials/credentials.ts';
import { identityOf } from '../../credentials/identity.ts';
import type { OnOddity } from '../../net/oddity.ts';

/** Says once that a credential is refused, and once that it, or the one in its place, is taken again. */
export class CredentialVerdicts {
  readonly #onOddity: OnOddity;
  #refused: Credential | undefined;

  constructor(onOddity: OnOddity) {
    this.#onOddity = onOddity;
  }

  /** `by`: the host of a registry or token server. */
  refused(credential: Credential, by: string): void {
    if (this.#refused === credential) return;
    this.#refused = credential;
    const fields = { who: identityOf(credential), by };
    this.#onOddity(
      'the credential for upstream is refused: what is private cannot be pulled',
      fields,
      'error',
    );
  }

  taken(credential: Credential): void {
    if (this.#refused === undefined) return;
    this.#refused = undefined;
    this.#onOddity('the credential for upstream is taken again', { who: identityOf(credential) }, 'error');
  }
}
