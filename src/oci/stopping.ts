import { Busy } from './busy.ts';

/** Why nothing is begun any more, and what was begun is ended. */
export const stopping = 'the server is stopping';

/** Whoever asks again so much later meets the next process, or has gone to another. Seconds. */
const retryAfter = '5';

/** UNAVAILABLE (503) because this process ends. On this connection there is nobody any more. */
export class Stopping extends Busy {
  constructor() {
    super(stopping, { headers: { Connection: 'close', 'Retry-After': retryAfter } });
  }
}
