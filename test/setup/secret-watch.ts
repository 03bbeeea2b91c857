import { Transform, type TransformCallback } from 'node:stream';
import { secretIn } from '../fakes/secrets.ts';

/** Longer than a secret's mark in any form, also in escapes that are escaped. */
const overlap = 400;

/** Passes on what the tests print, and sees whether a secret is in it, also one that two chunks share. */
export class SecretWatch extends Transform {
  /** The first one, with its surroundings. */
  found: string | undefined;
  #before = '';

  constructor() {
    super({ writableObjectMode: true });
  }

  override _transform(chunk: unknown, _encoding: BufferEncoding, done: TransformCallback): void {
    const text = this.#before + String(chunk);
    this.found ??= secretIn(text);
    this.#before = text.slice(-overlap);
    done(null, chunk);
  }
}
