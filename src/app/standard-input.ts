import { addAbortSignal, type Readable } from 'node:stream';

/** It is not touched before it is read, and given up with the rest: who writes it may never end. */
export async function* standardInput(stdin: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* addAbortSignal(signal, stdin);
}
