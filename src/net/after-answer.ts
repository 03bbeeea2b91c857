import { RegistryError } from '../oci/error.ts';

/** Why nothing comes of an answer: there was one, so whoever gave it is alive. To everybody else it is the same error. */
export class AfterAnswer extends RegistryError {
  /** Who answered, which after a redirect is not who was asked first. */
  readonly origin: string;

  constructor(url: URL, { code, message, status, detail, headers, cause }: RegistryError) {
    super(code, message, { status, detail, headers, cause });
    this.origin = url.origin;
  }
}
