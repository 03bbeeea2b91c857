import { median } from './ratios.ts';

/** How values move that were taken at equal distances. */
export interface Trend {
  /** From one to the next: the median of the slopes between any two (Theil and Sen), which a few that stand out do not move. */
  readonly slope: number;
  /** Is it more than chance? By the test of Mann and Kendall: of values in no order fewer than one series in a hundred rises so steadily. */
  readonly isRising: boolean;
}

/** Of the normal distribution, beyond which there is a hundredth. */
const hundredth = 2.33;

export function trendOf(values: readonly number[]): Trend {
  const slopes = values.flatMap((one, at) =>
    values.slice(at + 1).map((other, more) => (other - one) / (more + 1)),
  );
  const score = slopes.reduce((sum, slope) => sum + Math.sign(slope), 0);
  const count = values.length;
  const deviation = Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  return { slope: median(slopes), isRising: (score - 1) / deviation > hundredth };
}
