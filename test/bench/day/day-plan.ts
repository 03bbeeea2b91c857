import type { Random } from '#test/simulation/random.ts';

const imageCount = 400;
/** Each has a base that its images share, and which are together such a part of all bytes. */
const families = 16;
const basePart = 0.04;
/** Of an image, beside its base. The largest is so many times as large as the smallest; most are small. */
const ownLayers = 2;
const largestTimes = 64;
/** Pulls beside one of each image. */
const morePulls = 400;
/** How much more often the first is pulled than the tenth: 10 to the power of this (Zipf). */
const exponent = 1;

/** Images by their numbers, and who is pulled when. */
export interface DayPlan {
  /** Sizes of layers. Bytes. */
  readonly layers: readonly number[];
  /** Of each image the numbers of its layers. */
  readonly images: readonly (readonly number[])[];
  /** Numbers of images, each one once at least. */
  readonly pulls: readonly number[];
}

/** Images of so many bytes, what they share counted once, and an order in which some are pulled often, many once, as a cluster does it. */
export function dayPlan(bytes: number, random: Random): DayPlan {
  const base = Math.ceil((bytes * basePart) / families);
  const weights = Array.from({ length: imageCount * ownLayers }, () => largestTimes ** random.next());
  const perWeight = (bytes - base * families) / weights.reduce((sum, weight) => sum + weight, 0);
  const own = weights.map((weight) => Math.max(1, Math.round(weight * perWeight)));
  const images = Array.from({ length: imageCount }, (_, image) => [
    image % families,
    ...Array.from({ length: ownLayers }, (__, layer) => families + image * ownLayers + layer),
  ]);
  return { layers: [...Array<number>(families).fill(base), ...own], images, pulls: pullsOf(random) };
}

function pullsOf(random: Random): number[] {
  const once = Array.from({ length: imageCount }, (_, image) => image);
  const shares = once.map((image) => 1 / (image + 1) ** exponent);
  const all = shares.reduce((sum, share) => sum + share, 0);
  const drawn = Array.from({ length: morePulls }, () => placeIn(shares, random.next() * all));
  return random.shuffled([...once, ...drawn]);
}

/** Which of these shares, laid one behind the other, has this place. */
function placeIn(shares: readonly number[], place: number): number {
  let end = 0;
  const found = shares.findIndex((share) => {
    end += share;
    return place < end;
  });
  return found === -1 ? shares.length - 1 : found;
}
