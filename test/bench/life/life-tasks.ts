import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Candidate } from '../candidates.ts';
import { measuredCommand, type Ran } from './measured-command.ts';

/** What was done. */
export interface Done {
  readonly seconds: number;
  /** What came of it. */
  readonly came: string;
  /** Undefined: the server itself did it. */
  readonly ran?: Ran;
}

/** Something that is done to a cache while it is served from. */
export interface Task {
  readonly name: string;
  /** Of bytes that came ten minutes ago at least: younger ones are left to a later one. */
  readonly removes?: true;
  readonly run: (server: Candidate) => Promise<Done>;
}

/** In their order: each that removes something takes a tenth of what there was at first, those that nobody pulled for longest. */
export const tasks: readonly Task[] = [
  command('`list`', ['list']),
  command('`list --wide`', ['list', '--wide']),
  call('`GET /cmd/manifest/list`', 'GET', 'manifest/list?count=-1'),
  command('`prune --dry-run`, a tenth', ['prune', '--not-used-for', '90d', '--dry-run']),
  call('`DELETE /cmd/prune`, a dry run of a tenth', 'DELETE', 'prune?type=accessed&dur=90d&count=-1'),
  { name: '`export`, a tenth', run: exportTenth },
  command('`verify`', ['verify']),
  { ...command('`prune`, a tenth', ['prune', '--not-used-for', '90d']), removes: true },
  {
    ...call('`DELETE /cmd/prune`, a tenth', 'DELETE', 'prune?type=accessed&dur=80d&count=-1&dryRun=false'),
    removes: true,
  },
];

function command(name: string, args: readonly string[]): Task {
  return {
    name,
    run: async (server) => {
      const ran = await measuredCommand([...args, '--config-file', server.configurationFile]);
      return { seconds: ran.seconds, came: `${ran.lines.toLocaleString('en')} lines`, ran };
    },
  };
}

function call(name: string, method: string, path: string): Task {
  return {
    name,
    run: async ({ host }) => {
      const begunAt = performance.now();
      const answer = await fetch(`http://${host}/cmd/${path}`, { method });
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      const lines = await linesOf(answer);
      return {
        seconds: (performance.now() - begunAt) / 1000,
        came: `${lines.toLocaleString('en')} lines`,
      };
    },
  };
}

async function linesOf({ body }: Response): Promise<number> {
  let lines = 0;
  for await (const chunk of body ?? []) for (const byte of chunk as Uint8Array) if (byte === 10) lines += 1;
  return lines;
}

async function exportTenth(server: Candidate): Promise<Done> {
  const to = join(server.directory, 'bundle.tar');
  const args = ['export', to, '--pattern', '5$', '--config-file', server.configurationFile];
  const ran = await measuredCommand(args);
  for (const file of [to, join(server.directory, 'bundle.json')]) await rm(file, { force: true });
  return { seconds: ran.seconds, came: `${ran.lines.toLocaleString('en')} lines`, ran };
}
