import { RegistryError, type RegistryErrorOptions } from '../oci/error.ts';

/**
 * What a missing answer says something of. `host`: nothing that is asked there can be had now (no name, no connection, no TLS).
 * `exchange`: this one answer did not come, or was none; another may.
 */
export type SaysOf = 'host' | 'exchange';

/** UNAVAILABLE because nothing came that is an answer. To clients it is an error as all others. */
export class NoAnswer extends RegistryError {
  readonly saysOf: SaysOf;
  /** Who did not answer, which after a redirect is not who was asked first. */
  readonly origin: string;

  constructor(url: URL, saysOf: SaysOf, message: string, options: RegistryErrorOptions = {}) {
    super('UNAVAILABLE', message, options);
    this.saysOf = saysOf;
    this.origin = url.origin;
  }
}
