interface Unit {
  readonly name: string;
  readonly factor: number;
}

/** From large to small: a compound is written in this order, each unit once. */
const durationUnits: readonly Unit[] = [
  { name: 'd', factor: 86_400_000 },
  { name: 'h', factor: 3_600_000 },
  { name: 'm', factor: 60_000 },
  { name: 's', factor: 1000 },
  { name: 'ms', factor: 1 },
];

/** From large to small, so that the first that divides is the shortest way to write a size. */
const sizeUnits: readonly Unit[] = [
  { name: 'TiB', factor: 1024 ** 4 },
  { name: 'TB', factor: 1e12 },
  { name: 'GiB', factor: 1024 ** 3 },
  { name: 'GB', factor: 1e9 },
  { name: 'MiB', factor: 1024 ** 2 },
  { name: 'MB', factor: 1e6 },
  { name: 'KiB', factor: 1024 },
  { name: 'KB', factor: 1000 },
  { name: '', factor: 1 },
];

/** Go's notation with days added: `500ms`, `1.5h`, `1h30m`, `7d`, `0`; units fall, each at most once. */
export const durationPattern =
  /^(?:0|(?=[0-9])(?:[0-9]+(?:\.[0-9]+)?d)?(?:[0-9]+(?:\.[0-9]+)?h)?(?:[0-9]+(?:\.[0-9]+)?m(?!s))?(?:[0-9]+(?:\.[0-9]+)?s)?(?:[0-9]+ms)?)$/;

/** Bytes, or a number with a decimal (`GB`) or binary (`GiB`) unit. */
export const sizePattern = /^[0-9]+(?:(?:\.[0-9]+)?[KMGT]i?B)?$/;

export const percentPattern = /^[0-9]+(?:\.[0-9]+)?%$/;

/** Milliseconds; undefined for anything that is not exactly a duration of whole milliseconds. */
export function parseDuration(text: string): number | undefined {
  if (!durationPattern.test(text)) return undefined;
  return exact([...text.matchAll(/([0-9.]+)([a-z]*)/g)], durationUnits);
}

/** The shortest compound: `1h30m`, `0s`. Whole milliseconds, not negative. */
export function formatDuration(milliseconds: number): string {
  let rest = milliseconds;
  let text = '';
  for (const { name, factor } of durationUnits) {
    const count = Math.floor(rest / factor);
    rest -= count * factor;
    if (count > 0) text += `${count}${name}`;
  }
  return text === '' ? '0s' : text;
}

/** Bytes; undefined for anything that is not exactly a size of whole bytes. */
export function parseSize(text: string): number | undefined {
  if (!sizePattern.test(text)) return undefined;
  return exact([...text.matchAll(/([0-9.]+)([A-Za-z]*)/g)], sizeUnits);
}

/** With the largest unit that divides: `64MiB`, `10GB`, `513`. Whole bytes, not negative. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0';
  const unit = sizeUnits.find(({ factor }) => bytes % factor === 0);
  return unit === undefined ? String(bytes) : `${bytes / unit.factor}${unit.name}`;
}

/** `5%` is 5; undefined for what is no percentage from 0 to 100. */
export function parsePercent(text: string): number | undefined {
  const percent = percentPattern.test(text) ? Number(text.slice(0, -1)) : Number.NaN;
  return percent <= 100 ? percent : undefined;
}

function exact(parts: readonly RegExpMatchArray[], units: readonly Unit[]): number | undefined {
  let sum = 0;
  for (const [, count = '', name = ''] of parts) {
    const factor = units.find((unit) => unit.name === name)?.factor ?? 0;
    // A fraction such as 1.1 has no exact double: what misses a whole number by rounding alone is one.
    const value = Number(count) * factor;
    const whole = Math.round(value);
    if (Math.abs(value - whole) > 1e-6) return undefined;
    sum += whole;
  }
  return Number.isSafeInteger(sum) ? sum : undefined;
}
