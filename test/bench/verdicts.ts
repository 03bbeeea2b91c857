import { type Aim, aims } from './aims.ts';
import type { FigureKey } from './figures.ts';
import { pairwise, type Spread, spreadOf } from './ratios.ts';
import { type Run, seriesOf } from './recorded-run.ts';

/** How an aim was met. */
export interface Verdict {
  readonly aim: Aim;
  /** Who decided; undefined: nobody, the aim is of the figure itself. */
  readonly against?: string;
  readonly reached: number;
  /** 1: just reached; 0.5: half of it, or twice as much as there may be. */
  readonly distance: number;
  readonly isUnderFloor: boolean;
}

/** Of the aims of a figure, as far as who it is against takes part; the worst first. */
export function verdictsOn(run: Run, key: FigureKey, ours: string): Verdict[] {
  return aims
    .filter(({ figure }) => figure === key)
    .flatMap((aim) => verdictOn(run, aim, ours) ?? [])
    .toSorted((one, other) => one.distance - other.distance);
}

function verdictOn(run: Run, aim: Aim, ours: string): Verdict | undefined {
  const own = seriesOf(run, aim.figure, ours, aim.of);
  const judged =
    aim.against === undefined
      ? [judge(aim, spreadOf(own))]
      : aim.against.map((name) => ({
          ...judge(aim, spreadOf(pairwise(own, seriesOf(run, aim.figure, name, aim.of)))),
          against: name,
        }));
  return judged
    .filter(({ reached }) => !Number.isNaN(reached))
    .toSorted((one, other) => one.distance - other.distance)[0];
}

function judge(aim: Aim, { median, least, most }: Spread): Verdict {
  const { atLeast, atMost = 0, floor, inEach } = aim;
  const worst = atLeast === undefined ? most : least;
  const reached = inEach ? worst : median;
  const distance = atLeast === undefined ? shareOf(atMost, reached) : reached / atLeast;
  return { aim, reached, distance, isUnderFloor: floor !== undefined && reached < floor };
}

/** Of what there may be and what there is. Nothing where nothing may be is just right. */
function shareOf(atMost: number, reached: number): number {
  return reached === atMost ? 1 : atMost / reached;
}
