import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Milliseconds. */
const lookMs = 250;

/**
 * Keeps the room that V8 has for young objects about as large as it is now: it does not grow further, but where V8 has given most of it back, as it
 * does in a process that has nothing to do for some seconds, it comes again with the work. Collecting young objects costs as much for each time,
 * however little room there is.
 */
export function keepYoungRoom(): void {
  const wanted = youngRoom();
  let factor = 0;
  const look = (): void => {
    const next = youngRoom() * 2 <= wanted ? 2 : 1;
    if (next !== factor) setFlagsFromString(`--semi-space-growth-factor=${next}`);
    factor = next;
  };
  look();
  setInterval(look, lookMs).unref();
}

/** Bytes. */
function youngRoom(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0;
}
