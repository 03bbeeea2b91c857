import { parseArgs } from 'node:util';
import { invariants } from './findings.ts';
import { dispensable, type Kept } from './shrink.ts';

export const usage = `npm run simulate -- [--seed N] [--minutes M] [--seeds COUNT] [--trace] [--pass-over WORDS,…] [--go-on]
                    [--clients 0,3] [--faults none] [--moves …] [--deletions …] [--crashes …] [--prunes …] [--spoils …]
                    [--bundles …] [--pushers …]

Runs the scenarios of the seeds from N on, for M minutes; that of N alone where only --seed is given. Exits with 1 at the first finding, and
shows it in the smallest scenario that has it. --go-on lists all findings instead. A finding with WORDS in it does not
end a scenario. --clients and
the like keep only these of the scenario, by their place.

Invariants: ${Object.keys(invariants).join(', ')}.`;

export interface Options {
  readonly seed: number;
  readonly seeds: number;
  readonly forMs: number;
  readonly passedOver: readonly string[];
  readonly isTraced: boolean;
  readonly goesOn: boolean;
  readonly kept: Partial<Kept>;
  readonly wantsHelp: boolean;
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

/** Throws what is wrong with them. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ seed: text, minutes: text, seeds: text, 'pass-over': text },
      ...{ clients: text, faults: text, moves: text, deletions: text, crashes: text },
      ...{ prunes: text, spoils: text, bundles: text, pushers: text },
      ...{ trace: flag, 'go-on': flag, help: flag },
    },
  });
  const { seed, minutes, seeds } = values;
  const isOne = seed !== undefined && minutes === undefined && seeds === undefined;
  const passedOver = (values['pass-over'] ?? '').split(',').filter((name) => name !== '');
  return {
    seed: Number(seed ?? 1),
    seeds: isOne ? 1 : Number(seeds ?? Number.POSITIVE_INFINITY),
    forMs:
      minutes === undefined && (isOne || seeds !== undefined)
        ? Number.POSITIVE_INFINITY
        : Number(minutes ?? 1) * 60_000,
    passedOver,
    isTraced: values.trace,
    goesOn: values['go-on'],
    kept: Object.fromEntries(
      dispensable.flatMap((name) => {
        const places = values[name];
        return places === undefined ? [] : [[name, places === 'none' ? [] : places.split(',').map(Number)]];
      }),
    ),
    wantsHelp: values.help,
  };
}
