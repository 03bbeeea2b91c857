import { parentPort } from 'node:worker_threads';
import { collectAll } from '../base/collect-all.ts';
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

/**
 * Behind so many bytes of texts their garbage is collected: by itself V8 waits until this thread has some eighty megabytes of it. It takes some milliseconds of
 * nobody's time.
 */
const collectedBehind = 2 * 1024 * 1024;
let uncollected = 0;

// The program of a thread of JsonReader: it answers one question after the other.
parentPort?.on('message', (question: Question) => {
  const answer = answerTo(question);
  uncollected += question.bytes.length;
  release(question.bytes);
  parentPort?.postMessage(answer, 'lines' in answer ? [answer.lines.buffer] : []);
  if (uncollected < collectedBehind) return;
  uncollected = 0;
  collectAll();
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
