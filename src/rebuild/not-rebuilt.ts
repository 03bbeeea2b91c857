/**
 * `lost`: what it had is not there, or is none. `unread`: it cannot be read for now, and another time may bring it. `too large`: it is there, and more than is made known.
 */
export type WhyNotRebuilt = 'lost' | 'unread' | 'too large';

/** An image, or a part of it, that could not be made known again, and why. */
export class NotRebuilt extends Error {
  override readonly name = 'NotRebuilt';
  readonly why: WhyNotRebuilt;

  constructor(message: string, why: WhyNotRebuilt, options?: ErrorOptions) {
    super(message, options);
    this.why = why;
  }
}
