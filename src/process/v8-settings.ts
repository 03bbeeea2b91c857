import { setFlagsFromString } from 'node:v8';
import { collectAll } from '../base/collect-all.ts';
import { memoryLimit } from '../base/memory-limit.ts';
import { collectAtRest } from './rest.ts';
import { keepYoungRoom } from './young-room.ts';

/** A container in which garbage is dearer than time. Bytes. */
const small = 512 * 1024 * 1024;
/** When the first clients have their answers. Milliseconds. */
const firstCollectionMs = 2000;

/**
 * Settings of V8 for a program that serves for months in little memory; for when the imports are done. A V8 that does not know one
 * goes on without it. Reasons and figures are in docs/decisions/0010.
 */
export function setUpV8(): void {
  // Room for young objects: as much as the imports took.
  keepYoungRoom();
  // What runs for the first time is compiled at once.
  setFlagsFromString('--always-sparkplug');
  // All is collected when the heap has grown by so much, and not when it is several times as large.
  setFlagsFromString(`--heap-growing-percent=${memoryLimit() < small ? 20 : 50}`);
  // V8 begins to count by that when it has collected all for the first time.
  setTimeout(collectAll, firstCollectionMs).unref();
  collectAtRest();
}
