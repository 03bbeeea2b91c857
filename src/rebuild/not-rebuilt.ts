/** An image, or a part of it, that could not be made known again, and why. */
export class NotRebuilt extends Error {
  override readonly name = 'NotRebuilt';
  /** What it had is not there, or is none: another time brings no more. */
  readonly isLost: boolean;

  constructor(message: string, { isLost, cause }: { readonly isLost: boolean; readonly cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause });
    this.isLost = isLost;
  }
}
