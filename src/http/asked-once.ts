import type { Access, Authorise, Caller } from './authorise.ts';
import type { KnownCaller } from './exchange/known-caller.ts';

/** What was said about a caller, to be said again to whoever asks behind it: he is asked about once. */
export class AskedOnce {
  /** Who he is, as far as that was told. */
  known: KnownCaller | undefined;
  readonly #verdict: Promise<void> | undefined;
  readonly #refusal: { readonly error: unknown } | undefined;

  constructor(authorise: Authorise, access: Omit<Access, 'caller' | 'tell'>, caller: Caller) {
    const tell = (known: KnownCaller): void => {
      this.known = known;
    };
    try {
      this.#verdict = authorise({ ...access, caller, tell }) ?? undefined;
    } catch (error) {
      this.#refusal = { error };
    }
  }

  /** Was he admitted, and at once? */
  get isAdmitted(): boolean {
    return this.#verdict === undefined && this.#refusal === undefined;
  }

  readonly again: Authorise = ({ tell }) => {
    if (this.#verdict !== undefined) return this.#told(this.#verdict, tell);
    if (this.known !== undefined) tell?.(this.known);
    if (this.#refusal !== undefined) throw this.#refusal.error;
    return undefined;
  };

  async #told(verdict: Promise<void>, tell: Access['tell']): Promise<void> {
    try {
      await verdict;
    } finally {
      if (this.known !== undefined) tell?.(this.known);
    }
  }
}
