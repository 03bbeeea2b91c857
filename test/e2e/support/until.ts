import { setTimeout } from 'node:timers/promises';

const pollMs = 50;

/** Asks again until the answer is something else than undefined or false. Throws after the limit (milliseconds). */
export async function until<Value>(
  what: string,
  probe: () => Promise<Value | undefined | false>,
  limitMs = 60_000,
): Promise<Value> {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`Waited ${limitMs} ms in vain until ${what}`);
    await setTimeout(pollMs);
  }
}
