import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { threadTime } from './thread-time.ts';

/** Milliseconds. */
const lookMs = 250;
/** More than this no work is the faster for; the imports take more the more they are. Of one half of the room, out of which what lives is copied into the other. Bytes. */
const enough = 8 * 1024 * 1024;
/** Who has used so much processor time since the last look has work. Microseconds. */
const busy = 25_000;
/** What V8 gives more room for is about as much as half of it; more than so many times that is not tried. */
const mostTimes = 4;
const pieceLength = 8000;
/** What an element of an array takes. Bytes. */
const elementBytes = 8;

/**
 * Keeps the room that V8 has for young objects as large as it is now, or as is enough: it does not grow further, but where V8 has given most of it back, as it
 * does in a process that has nothing to do for some seconds, it comes again with the work. Collecting young objects costs as much for each time,
 * however little room there is.
 */
export function keepYoungRoom(): void {
  const wanted = Math.min(halfOfRoom(), enough);
  growBy(1);
  let used = threadTime();
  const look = (): void => {
    const half = halfOfRoom();
    const now = threadTime();
    if (half > 0 && 2 * half <= wanted && now - used > busy) grow(half, Math.floor(wanted / half));
    used = now;
  };
  setInterval(look, lookMs).unref();
}

/**
 * To so many times the room, once: V8 grows it with each collection that finds much alive, so it may do so here and nowhere else. It gives more when as much has
 * lived through collections as there is, and of what requests leave behind hardly anything does: these objects do.
 */
function grow(half: number, factor: number): void {
  growBy(factor);
  const lasting: unknown[] = [];
  for (
    let bytes = 0;
    bytes < mostTimes * half && halfOfRoom() < 2 * half;
    bytes += pieceLength * elementBytes
  )
    lasting.push(new Array(pieceLength).fill(0));
  growBy(1);
}

function growBy(factor: number): void {
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

/** What may be in use of it: what V8 has of the system for it, both halves, is less until it was used. Bytes. */
function halfOfRoom(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return young === undefined ? 0 : young.space_used_size + young.space_available_size;
}
