import { randomBytes } from 'node:crypto';

/** What a client or a proxy before us gave it, if it is short and can be mistaken for nothing else in a header or a line of the log. */
const plain = /^[\w.:@/+=~-]{1,64}$/;

/** Of this process, so that the logs of several can be put together. */
const own = randomBytes(4).toString('hex');
let count = 0;

/** By which the lines about one request are found: `X-Request-Id` as it came, else one of our own. */
export function requestId(given: string | readonly string[] | undefined): string {
  if (typeof given === 'string' && plain.test(given)) return given;
  count += 1;
  return `${own}-${count.toString(36)}`;
}
