import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './until.ts';

/** Files of a control group: what bounds its memory, its memory and swap together (v2: swap), and where its kills are counted. */
interface Version {
  readonly root: string;
  readonly limit: string;
  readonly swap: string;
  /** cgroup v1: of memory and swap together. v2: of swap alone. */
  readonly swapBytes: (limit: number) => number;
  readonly kills: string;
}

const v1: Version = {
  root: '/sys/fs/cgroup/memory',
  limit: 'memory.limit_in_bytes',
  swap: 'memory.memsw.limit_in_bytes',
  swapBytes: (limit) => limit,
  kills: 'memory.oom_control',
};
const v2: Version = {
  root: '/sys/fs/cgroup',
  limit: 'memory.max',
  swap: 'memory.swap.max',
  swapBytes: () => 0,
  kills: 'memory.events',
};

/** A control group of the kernel that bounds memory, as a container's does, and without swap. Root's. */
export class MemoryGroup implements AsyncDisposable {
  readonly #version: Version;
  readonly #directory: string;

  private constructor(version: Version, directory: string) {
    this.#version = version;
    this.#directory = directory;
  }

  /** Bytes. Throws where the kernel lets nobody make one. */
  static async open(limit: number): Promise<MemoryGroup> {
    const version = existsSync(v1.root) ? v1 : v2;
    const group = new MemoryGroup(version, join(version.root, `ociregistry-${randomUUID()}`));
    await mkdir(group.#directory);
    try {
      await group.#bound(limit);
    } catch (error) {
      await group[Symbol.asyncDispose]();
      throw error;
    }
    return group;
  }

  /** The command line that runs another one in this group, under the same process number. */
  around(commandLine: readonly string[]): [string, ...string[]] {
    return ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', this.#file('cgroup.procs'), ...commandLine];
  }

  /** How many processes the kernel has killed for want of memory. */
  async kills(): Promise<number> {
    return Number(/^oom_kill (\d+)$/m.exec(await readFile(this.#file(this.#version.kills), 'utf8'))?.[1]);
  }

  /** A group goes when its last process has gone, which is a moment after it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await until('a control group has no process', async () => {
      await rmdir(this.#directory).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EBUSY') throw error;
      });
      return !existsSync(this.#directory);
    });
  }

  async #bound(limit: number): Promise<void> {
    await writeFile(this.#file(this.#version.limit), String(limit));
    const swap = this.#file(this.#version.swap);
    // A kernel without swap accounting has no such file.
    if (existsSync(swap)) await writeFile(swap, String(this.#version.swapBytes(limit)));
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }
}

/** Why none can be made here; undefined: one can. */
export async function obstacleToMemoryGroups(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'a control group needs root';
  try {
    await using _ = await MemoryGroup.open(64 * 1024 * 1024);
    return undefined;
  } catch (error) {
    return `no control group can bound memory here: ${String(error)}`;
  }
}
