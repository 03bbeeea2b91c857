import { RegistryError } from './error.ts';

/** UNAVAILABLE (503) because this process has too much to do. It says nothing of who was asked, nor of what for. */
export class Busy extends RegistryError {
  constructor(message: string, cause?: unknown) {
    super('UNAVAILABLE', message, { status: 503, headers: { 'Retry-After': '1' }, cause });
  }
}

/** For its memory: of one registry, or of all. */
export function tooMuchRead(): Busy {
  return new Busy('too many large lists and manifests are read at a time');
}
