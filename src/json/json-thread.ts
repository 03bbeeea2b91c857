import { parentPort } from 'node:worker_threads';
import { release } from '../base/release.ts';
import { Fault } from '../oci/fault.ts';
import { readings } from '../oci/readings.ts';
import { linesOf } from './json-pieces.ts';

/** What the thread is asked. */
export interface Question {
  readonly name: keyof typeof readings;
  readonly bytes: Uint8Array;
  readonly args: readonly unknown[];
}

/** What it answers: the items in lines, since objects in great number take as long to come over as to be parsed. Or what is wrong with it. */
export type Answer =
  | { readonly head: unknown; readonly lines: Uint8Array<ArrayBuffer> }
  | { readonly fault: string };

// The program of a thread of JsonReader: it answers one question after the other.
parentPort?.on('message', (question: Question) => {
  const answer = answerTo(question);
  release(question.bytes);
  parentPort?.postMessage(answer, 'lines' in answer ? [answer.lines.buffer] : []);
});

function answerTo({ name, bytes, args }: Question): Answer {
  const read = readings[name] as (
    bytes: Uint8Array,
    ...args: readonly unknown[]
  ) => ReturnType<typeof readings.tags>;
  try {
    const { head, items } = read(bytes, ...args);
    return { head, lines: linesOf(items) };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
}
