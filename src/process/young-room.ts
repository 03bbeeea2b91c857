import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Milliseconds. */
const lookMs = 250;
/** More than this no work is the faster for; the imports take more the more they are. Bytes. */
const enough = 16 * 1024 * 1024;
/** Who has used so much processor time since the last look has work. Microseconds. */
const busy = 25_000;
const pieceLength = 8000;
/** What an element of an array takes. Bytes. */
const elementBytes = 8;

/**
 * Keeps the room that V8 has for young objects as large as it is now, or as is enough: it does not grow further, but where V8 has given most of it back, as it
 * does in a process that has nothing to do for some seconds, it comes again with the work. Collecting young objects costs as much for each time,
 * however little room there is.
 */
export function keepYoungRoom(): void {
  const wanted = Math.min(youngRoom(), enough);
  let factor = 0;
  let used = usedTime();
  const held: { lasting?: unknown } = {};
  const look = (): void => {
    const room = youngRoom();
    const next = Math.max(1, Math.floor(wanted / room));
    if (next !== factor) setFlagsFromString(`--semi-space-growth-factor=${next}`);
    factor = next;
    const now = usedTime();
    held.lasting = next > 1 && now - used > busy ? lastingObjects(room) : undefined;
    used = now;
  };
  look();
  setInterval(look, lookMs).unref();
}

/** V8 gives more room when as much has lived through collections as there is; of what requests leave behind hardly anything does. */
function lastingObjects(bytes: number): unknown {
  const pieces = Math.ceil(bytes / (pieceLength * elementBytes));
  return Array.from({ length: pieces }, () => new Array(pieceLength).fill(0));
}

/** Of this thread. Microseconds. */
function usedTime(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

/** Bytes. */
function youngRoom(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0;
}
