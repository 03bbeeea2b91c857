import { RegistryError, type RegistryErrorOptions } from './error.ts';
import type { Wording } from './wording.ts';

/**
 * What a missing answer says something of. `host`: nothing that is asked there can be had now (no name, no connection, no TLS).
 * `exchange`: this one answer did not come, or was none; another may. `nothing`: who had to be asked before gave nothing, a token server
 * or whoever has the credential, and so this was not asked.
 */
export type SaysOf = 'host' | 'exchange' | 'nothing';

/** UNAVAILABLE because nothing came that is an answer. To clients it is an error as all others. */
export class NoAnswer extends RegistryError {
  readonly saysOf: SaysOf;
  /** Who did not answer, which after a redirect is not who was asked first. */
  readonly origin: string;

  constructor(url: URL, saysOf: SaysOf, words: string | Wording, options: RegistryErrorOptions = {}) {
    super('UNAVAILABLE', words, options);
    this.saysOf = saysOf;
    this.origin = url.origin;
  }
}

/** Why nothing comes of an answer: there was one, so whoever gave it is alive. To everybody else it is the same error. */
export class AfterAnswer extends RegistryError {
  /** Who answered, which after a redirect is not who was asked first. */
  readonly origin: string;

  constructor(url: URL, { code, wording, status, detail, headers, cause }: RegistryError) {
    super(code, wording, { status, detail, headers, cause });
    this.origin = url.origin;
  }
}

/** Has nobody said anything of what was asked for? A refusal is said. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof NoAnswer || (error instanceof AfterAnswer && error.code === 'UNAVAILABLE');
}
