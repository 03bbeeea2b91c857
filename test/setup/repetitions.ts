/** How often `npm test` tries what is drawn by lot, of so many times that `npm run test:long` does. */
const part = 1 / 5;

/** Is it `npm run test:long`? */
const isLong = process.env['TEST_LONG'] === '1';

export function repetitions(all: number): number {
  return isLong ? all : Math.ceil(all * part);
}
