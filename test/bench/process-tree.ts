import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `getconf CLK_TCK`: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** Processor time. Seconds, to a hundredth. */
export interface Usage {
  readonly user: number;
  readonly system: number;
}

/** Open descriptors: connections, and files with all the rest. */
export interface Open {
  readonly sockets: number;
  readonly files: number;
}

/** A process and whom it has started, as Linux shows them (proc(5)): a server may stand behind a script. */
export class ProcessTree {
  readonly #root: number;

  constructor(root: number) {
    this.#root = root;
  }

  /** Of those that have ended too, once they were waited for. */
  get usage(): Usage {
    return this.#processes().map(usageOf).reduce(sum, { user: 0, system: 0 });
  }

  /** Memory that they hold now. MiB. */
  get residentMiB(): number {
    return this.#memory('VmRSS');
  }

  /** The most that each has held since its start, or since {@link forgetPeak}. MiB. */
  get peakMiB(): number {
    return this.#memory('VmHWM');
  }

  /** From now on {@link peakMiB} begins anew. */
  forgetPeak(): void {
    for (const pid of this.#processes()) writeFileSync(`/proc/${pid}/clear_refs`, '5');
  }

  /** Written since their start, to files, sockets and all else. */
  get writtenBytes(): number {
    return this.#processes()
      .map((pid) => Number(/^wchar: (\d+)$/m.exec(textOf(pid, 'io'))?.[1] ?? 0))
      .reduce((all, one) => all + one, 0);
  }

  get open(): Open {
    const targets = this.#processes().flatMap(descriptorsOf);
    const sockets = targets.filter((target) => target.startsWith('socket:')).length;
    return { sockets, files: targets.length - sockets };
  }

  #memory(field: 'VmRSS' | 'VmHWM'): number {
    return this.#processes()
      .map((pid) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(textOf(pid, 'status'))?.[1] ?? 0))
      .reduce((all, one) => all + one / 1024, 0);
  }

  #processes(): number[] {
    const found = [this.#root];
    for (const pid of found) found.push(...childrenOf(pid));
    return found;
  }
}

function childrenOf(pid: number): number[] {
  return namesIn(`/proc/${pid}/task`).flatMap((thread) =>
    textOf(pid, `task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  );
}

function usageOf(pid: number): Usage {
  const stat = textOf(pid, 'stat');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // utime, stime, and those of children that were waited for.
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number);
  return { user: (user + childUser) / ticksPerSecond, system: (system + childSystem) / ticksPerSecond };
}

function sum(one: Usage, other: Usage): Usage {
  return { user: one.user + other.user, system: one.system + other.system };
}

function descriptorsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return namesIn(directory).flatMap((name) => targetOf(join(directory, name)) ?? []);
}

/** Nothing of a process that has ended meanwhile. */
function textOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Undefined: it was closed meanwhile. */
function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}
