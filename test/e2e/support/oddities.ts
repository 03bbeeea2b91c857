import { createHash } from 'node:crypto';

export const oddities = [
  'cut',
  'reset',
  'delay',
  'range: 416',
  'range: the whole',
  'range: a shorter part',
  'range: from a block border before',
  'range: 403',
  'HEAD: 404',
  'HEAD: no length',
  'HEAD: a body',
  'labelled gzip',
] as const;

/** What an upstream may do to an answer that it has. */
export type Oddity = (typeof oddities)[number];

type RangeOddity = Extract<Oddity, `range: ${string}`>;
type HeadOddity = Extract<Oddity, `HEAD: ${string}`>;

/** Now and then a request is answered as it should be. */
const ranges: readonly (RangeOddity | undefined)[] = [
  'range: 416',
  'range: a shorter part',
  'range: the whole',
  undefined,
  'range: from a block border before',
  'range: 403',
];
const heads: readonly (HeadOddity | undefined)[] = [
  'HEAD: 404',
  'HEAD: no length',
  'HEAD: a body',
  undefined,
];

/** What is so small is cut once; it is fetched again, a bounded number of times. Bytes. */
const small = 64 * 1024;
/** No answer brings more of what is not small. Bytes. */
const longest = 3 * 1024 * 1024;
const delayed = 0.15;
const longestDelayMs = 400;

/**
 * Which oddity meets which request. What follows from chance follows from the seed, the object and how often it was asked for, so that the
 * order in which a client asks for several does not matter; what goes in turn meets each kind, whatever a seed brings.
 */
export class OddityPlan {
  readonly #seed: number;
  readonly #counts = new Map<string, number>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Milliseconds before the first byte, mostly none. */
  delayMs(path: string): number {
    const chance = this.#chance(path, 'delay');
    return chance < delayed ? Math.ceil((longestDelayMs * chance) / delayed) : 0;
  }

  /** In turn, all objects together: an object is not often asked about. */
  ofHead(): HeadOddity | undefined {
    return heads[this.#next('HEAD') % heads.length];
  }

  /** In turn for each object, from a place of its own. */
  ofRange(path: string): RangeOddity | undefined {
    const start = Math.floor(this.#fraction(`${path} start`) * ranges.length);
    return ranges[(start + this.#next(`${path} range`)) % ranges.length];
  }

  isLabelled(path: string): boolean {
    return this.#chance(path, 'label') < 0.4;
  }

  /** After how many bytes a body of this length is cut, and how. Undefined: it is not. */
  cut(path: string, length: number): { readonly after: number; readonly how: 'cut' | 'reset' } | undefined {
    const isFirst = !this.#counts.has(`${path} cut`);
    const chance = this.#chance(path, 'cut');
    const after = Math.floor(chance * Math.min(longest, length * (length > small ? 1.5 : 1)));
    if (after >= length || (length <= small && !isFirst)) return undefined;
    return { after, how: this.#chance(path, 'reset') < 0.3 ? 'reset' : 'cut' };
  }

  /** 0 ≤ chance < 1. */
  #chance(path: string, what: string): number {
    const key = `${path} ${what}`;
    return this.#fraction(`${key} ${this.#next(key)}`);
  }

  #fraction(key: string): number {
    return createHash('sha256').update(`${this.#seed} ${key}`).digest().readUInt32LE() / 2 ** 32;
  }

  /** 0, 1, 2, … */
  #next(key: string): number {
    const count = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count + 1);
    return count;
  }
}
