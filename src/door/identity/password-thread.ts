import { parentPort } from 'node:worker_threads';
import { isPasswordOf } from './password-hash.ts';

/** What the thread is asked. The password is a secret. */
export interface PasswordQuestion {
  readonly hash: string;
  readonly password: string;
}

// The program of the thread of PasswordChecks: it answers one question after the other.
parentPort?.on('message', ({ hash, password }: PasswordQuestion) => {
  parentPort?.postMessage(isPasswordOf(hash, password));
});
