import type { ProvidedCredential } from '../credentials.ts';
import type { CredentialSource } from '../refreshing-credentials.ts';
import { awsError } from './aws-error.ts';

/** A client of the AWS SDK and the one call that we make with it. */
export interface AwsCall {
  ask(signal: AbortSignal): Promise<ProvidedCredential>;
  close(): void;
}

/** A source that is one call to AWS. */
export class AwsSource implements CredentialSource {
  readonly name: string;
  readonly #open: () => Promise<AwsCall>;
  #call: AwsCall | undefined;

  constructor(name: string, open: () => Promise<AwsCall>) {
    this.name = name;
    this.#open = open;
  }

  async fetch(signal: AbortSignal): Promise<ProvidedCredential> {
    try {
      this.#call ??= await this.#open();
      return await this.#call.ask(signal);
    } catch (error) {
      // The client keeps the keys that it found: the next try looks for them anew.
      this.#close();
      signal.throwIfAborted();
      throw awsError(this.name, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }

  #close(): void {
    this.#call?.close();
    this.#call = undefined;
  }
}
