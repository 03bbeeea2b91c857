import { type Figure, type FigureKey, figures } from './figures.ts';
import { pairwise, type Spread, spreadOf } from './ratios.ts';
import { type Run, seriesOf } from './recorded-run.ts';
import { aligned, inWords, rounded } from './text-table.ts';
import { type Verdict, verdictsOn } from './verdicts.ts';

/** What is known of a figure: who was measured, and how far it is from its aims. */
interface Row {
  readonly key: FigureKey;
  readonly verdicts: readonly Verdict[];
}

/**
 * A paragraph for each figure: its aims, and a line for each contestant. The figure that is furthest from its aim comes first, those without an aim
 * last. With an earlier run also what the ratio was in that.
 */
export function report(run: Run, contestants: readonly string[], earlier?: Run): string {
  const [ours = ''] = contestants;
  const keys = (Object.keys(figures) as FigureKey[]).filter((key) => run.figures[key] !== undefined);
  const rows = keys.map((key): Row => ({ key, verdicts: verdictsOn(run, key, ours) }));
  return rows
    .toSorted((one, other) => distanceOf(one) - distanceOf(other))
    .map((row) => paragraph(run, row, contestants, earlier))
    .join('\n\n');
}

function distanceOf({ verdicts }: Row): number {
  return verdicts[0]?.distance ?? Number.POSITIVE_INFINITY;
}

function paragraph(run: Run, { key, verdicts }: Row, contestants: readonly string[], earlier?: Run): string {
  const { name, unit }: Figure = figures[key];
  const measured = contestants.filter((contestant) => run.figures[key]?.[contestant] !== undefined);
  const lines = measured.map((contestant) => line(run, key, contestant, contestants[0] ?? '', earlier));
  return [
    `${name} (${unit})`,
    ...verdicts.map((verdict) => `  ${sentence(verdict, unit)}`),
    aligned([head(key, earlier !== undefined), ...lines]),
  ].join('\n');
}

function sentence({ aim, against, reached, distance, isUnderFloor }: Verdict, unit: string): string {
  const wanted = aim.atLeast === undefined ? `≤ ${aim.atMost}` : `≥ ${aim.atLeast}`;
  const what = { cpu: 'processor time, ', share: 'server ÷ driver, ', value: '' }[aim.of ?? 'value'];
  const where = aim.inEach === undefined ? '' : ' in each round';
  const whose = against === undefined ? (aim.of === undefined ? ` ${unit}` : '') : ` × ${against}`;
  const floor = isUnderFloor ? `, UNDER ITS FLOOR of ${aim.floor}` : '';
  const met = distance >= 1 ? 'reached' : 'MISSED';
  return `${met}${floor}: ${what}${rounded(reached)}${whose}, wanted ${wanted}${where}`;
}

function head(key: FigureKey, isCompared: boolean): string[] {
  const { unit, per }: Figure = figures[key];
  const beside = per === undefined ? [] : [`CPU ms/${per} (user + system)`, 'server ÷ driver', 'RSS MiB'];
  const ratios = ['we ÷ it', ...(per === undefined ? [] : ['CPU, we ÷ it'])];
  return ['', unit, ...beside, ...ratios, ...(isCompared ? ['we ÷ it, earlier'] : [])];
}

function line(run: Run, key: FigureKey, contestant: string, ours: string, earlier?: Run): string[] {
  const { per }: Figure = figures[key];
  const isOurs = contestant === ours;
  const ratio = (aspect?: 'cpu', of = run) =>
    isOurs ? '' : inWords(ratioOf(of, key, ours, contestant, aspect));
  const figure = inWords(spreadOf(seriesOf(run, key, contestant)));
  const beside = per === undefined ? [] : besideOf(run, key, contestant);
  const ratios = [ratio(), ...(per === undefined ? [] : [ratio('cpu')])];
  return [`  ${contestant}`, figure, ...beside, ...ratios, ...(earlier ? [ratio(undefined, earlier)] : [])];
}

function besideOf(run: Run, key: FigureKey, contestant: string): string[] {
  const middle = (of: 'user' | 'system' | 'residentMiB') =>
    rounded(spreadOf((run.figures[key]?.[contestant] ?? []).map((one) => one?.[of])).median);
  const share = inWords(spreadOf(seriesOf(run, key, contestant, 'share')));
  return [`${middle('user')} + ${middle('system')}`, share, middle('residentMiB')];
}

function ratioOf(run: Run, key: FigureKey, ours: string, contestant: string, aspect?: 'cpu'): Spread {
  return spreadOf(pairwise(seriesOf(run, key, ours, aspect), seriesOf(run, key, contestant, aspect)));
}
