import type { Settings } from './settings.ts';

/** In the order in which they are taken. `answer` is what was asked for in the end: a manifest, or `/v2/`. */
export type StepName = 'credential' | 'address' | 'connection' | 'challenge' | 'token' | 'answer';

/**
 * - `needless`: the registry did not want it.
 * - `unproved`: what came says nothing of the images there.
 * - `skipped`: an earlier one did not succeed.
 */
type StepStatus = 'ok' | 'failed' | 'needless' | 'unproved' | 'skipped';

export interface Step {
  readonly name: StepName;
  readonly status: StepStatus;
  /** Undefined: it took no time of its own. Milliseconds. */
  readonly ms?: number | undefined;
  readonly detail: string;
  /** What to look at. */
  readonly advice?: string | undefined;
}

/** What one step finds. */
export type Finding = Omit<Step, 'name'>;

/** What was found out about one registry or image, on one way to it. Without secrets. */
export interface Report {
  readonly subject: string;
  /** The mirror that was asked, by its URL; absent: the registry itself. */
  readonly by?: string;
  /** Who we were there, where we are several. */
  readonly as?: string;
  readonly status: 'ok' | 'unproved' | 'failed' | 'notAsked';
  readonly settings: Settings;
  readonly steps: readonly Step[];
  /** What was noticed besides. */
  readonly notes: readonly string[];
  /** What of a pull was not tried; empty where something failed before. */
  readonly notProved: string;
}

const widths = { status: 8, name: 10, ms: 8 };

/** One block for a person, with a blank line behind it. */
export function textOf({ subject, by, as, status, settings, steps, notes, notProved }: Report): string {
  const way = `${by === undefined ? '' : ` by ${by}`}${as === undefined ? '' : ` as ${as}`}`;
  const failed = steps.find((step) => step.status === 'failed');
  const verdict = failed === undefined ? verdicts[status] : `FAILED at ${failed.name}`;
  const rows = Object.entries(settings).map(([name, value]) => [name, value] as const);
  const lines = [
    `${subject}${way}: ${verdict}`,
    ...rows.map(([name, value]) => indented(`  ${name.padEnd(12)}`, value)),
    ...steps.flatMap(stepLines),
    ...notes.map((note) => indented('  note: ', note)),
    ...(notProved === '' ? [] : [indented('  not proved: ', notProved)]),
  ];
  return `${lines.join('\n')}\n\n`;
}

const verdicts: Readonly<Record<Report['status'], string>> = {
  ok: 'ok',
  unproved: 'reached, but not proved',
  failed: 'FAILED',
  notAsked: 'not asked (airGapped: upstreams are never asked, what is not cached is 404)',
};

const marks: Readonly<Record<Step['status'], string>> = {
  ok: 'ok',
  failed: 'FAILED',
  needless: '-',
  unproved: '?',
  skipped: 'skipped',
};

function stepLines({ name, status, ms, detail, advice }: Step): string[] {
  const time = ms === undefined ? '' : `${ms} ms`;
  const head = `  ${marks[status].padEnd(widths.status)}${name.padEnd(widths.name)}${time.padStart(widths.ms)}  `;
  const pad = ' '.repeat(head.length);
  return [indented(head, detail).trimEnd(), ...(advice === undefined ? [] : [indented(`${pad}-> `, advice)])];
}

/** Further lines of a text stand below its first. */
function indented(head: string, text: string): string {
  return `${head}${text.split('\n').join(`\n${' '.repeat(head.length)}`)}`;
}
