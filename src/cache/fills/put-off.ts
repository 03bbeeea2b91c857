/** Thrown by what cannot be done now, though nothing has failed: neither its registry nor what it is about. */
export class PutOffError extends Error {
  override readonly name = 'PutOffError';
  /** Nor can anything else of its registry and class. */
  readonly isOfAll: boolean;

  constructor(message: string, { isOfAll = false, ...options }: ErrorOptions & { isOfAll?: boolean } = {}) {
    super(message, options);
    this.isOfAll = isOfAll;
  }
}
