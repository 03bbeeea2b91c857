import { registriesByHost } from '../app/registry-upstream.ts';
import type { Evidence } from './evidence.ts';
import { type GatherSettings, gather } from './gather.ts';
import type { Report } from './report.ts';
import { settingsOf } from './settings.ts';
import type { Step } from './step.ts';
import { stepsOf } from './steps.ts';
import type { Subject } from './subject.ts';

/** So many at a time: a name server and this machine's network should not notice. */
const maxAtOnce = 8;

/** All subjects side by side; the reports come in the order of the subjects, each as soon as it can. Never throws. */
export async function* examineAll(
  subjects: readonly Subject[],
  settings: GatherSettings,
): AsyncGenerator<Report> {
  const reports: Promise<Report>[] = [];
  for (const subject of subjects) {
    const earlier = reports.at(-maxAtOnce);
    const mayBegin = reports.length < maxAtOnce ? undefined : earlier;
    reports.push(Promise.resolve(mayBegin).then(async () => await examine(subject, settings)));
  }
  for (const report of reports) yield await report;
}

async function examine(subject: Subject, settings: GatherSettings): Promise<Report> {
  const { config } = settings;
  const registry = registriesByHost(config).get(subject.host);
  const about = { subject: subject.name, settings: settingsOf(subject, config, registry) };
  if (config.airGapped) return { ...about, status: 'notAsked', steps: [], notes: [], notProved: '' };
  const evidence = await gather(subject, registry, settings);
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
