import { RegistryError } from './error.ts';
import type { Wording } from './wording.ts';

/** UNAVAILABLE (503) because this process has too much to do. It says nothing of who was asked, nor of what for. */
export class Busy extends RegistryError {
  constructor(words: string | Wording, cause?: unknown) {
    super('UNAVAILABLE', words, { status: 503, headers: { 'Retry-After': '1' }, cause });
  }
}

/** For its memory: of one registry, or of all. */
export function tooMuchRead(): Busy {
  return new Busy('too many large lists and manifests are read at a time');
}
