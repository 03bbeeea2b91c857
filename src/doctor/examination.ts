import type { Config } from '../config/schema.ts';
import type { Evidence } from './evidence.ts';
import { type GatherSettings, gather } from './gather.ts';
import type { Report, Step } from './report.ts';
import { settingsOf } from './settings.ts';
import { stepsOf } from './steps.ts';
import type { Subject } from './subject.ts';
import { type Walk, walksOf } from './walk.ts';

/** So many at a time: a name server and this machine's network should not notice. */
const maxAtOnce = 8;

/**
 * All ways to all subjects side by side; the reports come in the order of the subjects, those of a subject together and as soon
 * as they can. Never throws.
 */
export async function* examineAll(
  subjects: readonly Subject[],
  settings: GatherSettings,
): AsyncGenerator<Report> {
  const reports: Promise<Report>[] = [];
  const begin = (walk: Walk): Promise<Report> => {
    const mayBegin = reports.length < maxAtOnce ? undefined : reports.at(-maxAtOnce);
    const report = Promise.resolve(mayBegin).then(async () => await examine(walk, settings));
    reports.push(report);
    return report;
  };
  const groups = subjects.map((subject) => waysTo(subject, settings.config).map(begin));
  for (const group of groups) yield* withWaysLeft(await Promise.all(group));
}

/** Behind an air gap there is no way; the first is shown. */
function waysTo(subject: Subject, config: Config): readonly Walk[] {
  const walks = walksOf(subject, config);
  return config.airGapped ? [walks[0]] : walks;
}

async function examine(walk: Walk, settings: GatherSettings): Promise<Report> {
  const { config, env } = settings;
  const { subject, by, identity, accounts } = walk;
  const about = {
    subject: subject.name,
    ...(by !== undefined && { by }),
    ...(accounts > 1 && { as: identity.name }),
    settings: settingsOf(walk, config, env),
  };
  if (config.airGapped) return { ...about, status: 'notAsked', steps: [], notes: [], notProved: '' };
  const evidence = await gather(walk, settings);
  const steps = stepsOf(evidence);
  const status = statusOf(steps);
  return {
    ...about,
    status,
    steps,
    notes: [...evidence.notes, ...skewIn(evidence)],
    notProved: status === 'ok' ? notProved(subject) : '',
  };
}

function statusOf(steps: readonly Step[]): Report['status'] {
  const worst = steps.find(({ status }) => status === 'failed' || status === 'unproved');
  return worst?.status === 'failed' || worst?.status === 'unproved' ? worst.status : 'ok';
}

function notProved({ image, name }: Subject): string {
  return image === undefined
    ? `that images may be pulled, and that there is quota for it; to try one: ociregistry doctor ${name}/REPOSITORY:TAG`
    : 'its layers (blobs), which many registries serve from another host';
}

/** Clocks that differ by less do no harm. Milliseconds. */
const tolerableSkewMs = 60_000;

function skewIn({ skewMs }: Evidence): string[] {
  if (Math.abs(skewMs) < tolerableSkewMs) return [];
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  const side = skewMs > 0 ? 'ahead of' : 'behind';
  return [
    `the clock of this machine is ${seconds} s ${side} that of the registry: certificates and tokens may seem expired, or not valid yet`,
  ];
}

/** The reports of one subject. Where one way to it fails and another does not, that one says so: the server takes the other. */
function withWaysLeft(reports: readonly Report[]): Report[] {
  return reports.map((report) => {
    const other = report.status === 'failed' ? wayLeft(report, reports) : undefined;
    return other === undefined ? report : { ...report, notes: [...report.notes, wayText(report, other)] };
  });
}

/** At the same place if there is one there, else the first: that to the registry itself. */
function wayLeft({ by }: Report, reports: readonly Report[]): Report | undefined {
  const open = reports.filter(({ status }) => status === 'ok');
  return open.find((other) => other.by === by) ?? open[0];
}

function wayText(failed: Report, other: Report): string {
  if (other.by === failed.by) return `pulls still work as ${other.as}`;
  return `pulls still work through ${other.by ?? 'the registry itself'}`;
}
