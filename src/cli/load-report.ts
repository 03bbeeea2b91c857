import type { LoadedImage } from '../load/load-images.ts';
import { Tally } from '../load/tally.ts';

/** All that became of a load. */
export interface LoadReport {
  readonly images: readonly LoadedImage[];
  /** What could not be read of the files. */
  readonly problems: readonly string[];
  readonly seconds: number;
}

/** Is everything loaded? */
export function isOk({ images, problems }: LoadReport): boolean {
  return problems.length === 0 && images.every(({ problem }) => problem === undefined);
}

/** One image in a line. */
export function lineOf({ name, digest, problem, tally }: LoadedImage): string {
  if (problem !== undefined) return `FAILED ${name}: ${problem}\n`;
  return `loaded ${name} ${digest}: ${bytesOf(tally)}\n`;
}

/** The last line. */
export function summaryOf(report: LoadReport): string {
  const { images, problems, seconds } = report;
  const loaded = images.filter(({ problem }) => problem === undefined).length;
  const failed = images.length - loaded + problems.length;
  const ending = failed === 0 ? '' : `, ${failed} failed`;
  return `loaded ${loaded} ${loaded === 1 ? 'image' : 'images'} in ${seconds.toFixed(1)} s${ending}: ${bytesOf(totalOf(images))}\n`;
}

export function jsonOf(report: LoadReport): string {
  const { images, problems, seconds } = report;
  const { fetched, present } = totalOf(images);
  const shown = {
    ok: isOk(report),
    images: images.map(({ name, digest, problem, tally }) => ({
      ...{ name, ok: problem === undefined, digest, problem },
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
