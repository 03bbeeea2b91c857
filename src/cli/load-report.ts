import { styleText } from 'node:util';
import type { LoadedImage } from '../load/load-images.ts';
import { Tally } from '../load/tally.ts';
import { shownText } from './shown-text.ts';

/** All that became of a load. */
export interface LoadReport {
  readonly images: readonly LoadedImage[];
  /** What could not be read of the files. */
  readonly problems: readonly string[];
  readonly seconds: number;
  /** Was it ended before its end? */
  readonly isInterrupted?: boolean;
}

/** Is everything loaded? What is kept as it was is not. */
export function isOk({ images, problems }: LoadReport): boolean {
  return problems.length === 0 && images.every(({ problem }) => problem === undefined);
}

/** One image in a line. */
export function lineOf({ name, digest, problem, kept, tally }: LoadedImage, isColoured = false): string {
  const painted = (colour: 'red' | 'yellow', word: string): string =>
    isColoured ? styleText(colour, word, { validateStream: false }) : word;
  const [shown, why] = [shownText(name), shownText(problem ?? '')];
  if (kept !== undefined) return `${painted('yellow', 'KEPT')} ${shown} ${kept}: ${why}\n`;
  if (problem !== undefined) return `${painted('red', 'FAILED')} ${shown}: ${why}\n`;
  return `loaded ${shown} ${digest}: ${bytesOf(tally)}\n`;
}

/** The last line. */
export function summaryOf(report: LoadReport): string {
  const { images, problems, seconds, isInterrupted = false } = report;
  const loaded = images.filter(({ problem }) => problem === undefined).length;
  const kept = images.filter((image) => image.kept !== undefined).length;
  const failed = images.reduce((sum, image) => sum + failuresOf(image), problems.length);
  const notLoaded = [kept > 0 && `${kept} kept as before`, failed > 0 && `${failed} failed`].filter(Boolean);
  const ending = notLoaded.map((words) => `, ${words}`).join('');
  const beginning = isInterrupted ? 'interrupted, to be gone on with by the same command: ' : '';
  return `${beginning}loaded ${loaded} ${loaded === 1 ? 'image' : 'images'} in ${seconds.toFixed(1)} s${ending}: ${bytesOf(totalOf(images))}\n`;
}

/** What is wrong with a tar may be several images' matter. */
function failuresOf({ problem, kept, costs }: LoadedImage): number {
  return problem === undefined || kept !== undefined ? 0 : Math.max(1, costs?.length ?? 0);
}

export function jsonOf(report: LoadReport): string {
  const { images, problems, seconds } = report;
  const { fetched, present } = totalOf(images);
  const shown = {
    ok: isOk(report),
    images: images.map(({ name, digest, problem, kept, costs, tally }) => ({
      ...{ name, ok: problem === undefined, digest, problem, kept },
      ...{ costs: costs?.length === 0 ? undefined : costs },
      ...{ manifests: tally.manifests, blobs: tally.blobs },
      ...{ fetchedBytes: tally.fetched, presentBytes: tally.present },
    })),
    problems,
    ...{ fetchedBytes: fetched, presentBytes: present, seconds },
  };
  return `${JSON.stringify(shown, undefined, 2)}\n`;
}

function totalOf(images: readonly LoadedImage[]): Tally {
  const total = new Tally();
  for (const { tally } of images) total.add(tally);
  return total;
}

function bytesOf({ fetched, present }: Tally): string {
  return `${megabytes(fetched)} fetched, ${megabytes(present)} were there`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
