import { RegistryError } from '../oci/error.ts';
import type { RepositoryName } from '../oci/reference.ts';
import type { CallOptions, Registry } from '../oci/registry.ts';
import type { AskedFor } from './asked-for.ts';
import { type WrappedCall, WrappingRegistry } from './wrapping-registry.ts';

/** Told of an error that a registry has answered with, before whoever asked is. Must not throw. */
export type TellOfError = (
  repository: RepositoryName,
  asked: AskedFor,
  error: RegistryError,
) => Promise<void>;

/** A registry of whose errors somebody else is told first. */
export class TellingRegistry extends WrappingRegistry {
  readonly #inner: Registry;
  readonly #tell: TellOfError;

  constructor(inner: Registry, tell: TellOfError) {
    super();
    this.#inner = inner;
    this.#tell = tell;
  }

  protected override async call<Value, Options extends CallOptions>({
    repository,
    asked,
    options,
    of,
  }: WrappedCall<Value, Options>): Promise<Value> {
    try {
      return await of(this.#inner, options);
    } catch (error) {
      if (error instanceof RegistryError) await this.#tell(repository, asked, error);
      throw error;
    }
  }
}
