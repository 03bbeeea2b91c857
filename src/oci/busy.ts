import { RegistryError, type RegistryErrorOptions } from './error.ts';
import type { Wording } from './wording.ts';

/** UNAVAILABLE (503) because this process has too much to do, or ends. It says nothing of who was asked, nor of what for. */
export class Busy extends RegistryError {
  constructor(words: string | Wording, options: Pick<RegistryErrorOptions, 'headers' | 'cause'> = {}) {
    super('UNAVAILABLE', words, { headers: { 'Retry-After': '1' }, ...options, status: 503 });
  }
}

/** There is no room in memory for what an answer brings. */
export class NoRoom extends Busy {
  /** What it would take; 0: whoever asks again begins anew. Bytes. */
  readonly bytes: number;

  constructor(bytes = 0) {
    super('too many large lists and manifests are read at a time');
    this.bytes = bytes;
  }
}

/** For its memory: of one registry, or of all. */
export function tooMuchRead(): NoRoom {
  return new NoRoom();
}
