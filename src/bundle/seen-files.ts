import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Of a file its name within a directory, and how it was found. */
export type SeenFile = readonly [name: string, state: string];

/** How the files were found that something was read from: whoever finds them so again need not read them. */
export class SeenFiles {
  readonly #directory: string;
  readonly #states = new Map<string, string>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** To be awaited before it is read: what becomes of it meanwhile is news. */
  async see(name: string): Promise<void> {
    if (!this.#states.has(name)) this.#states.set(name, await stateOf(join(this.#directory, name)));
  }

  get all(): readonly SeenFile[] {
    return [...this.#states];
  }

  /** The first alone, by its size and time: it is the same in a copy of the directory, too. */
  get first(): readonly SeenFile[] {
    return this.all.slice(0, 1).map(([name, state]) => [name, briefly(state)]);
  }
}

/** Are they still as they were seen? */
export async function areAsSeen(directory: string, files: readonly SeenFile[]): Promise<boolean> {
  for (const [name, state] of files) {
    const now = await stateOf(join(directory, name));
    if (now !== state && briefly(now) !== state) return false;
  }
  return true;
}

/** What a second name changes is no part of it. */
async function stateOf(path: string): Promise<string> {
  const status = await stat(path, { bigint: true }).catch(() => undefined);
  if (status === undefined) return 'none';
  const { size, mtimeNs, ino, mode, uid, gid } = status;
  return [size, mtimeNs, ino, mode, uid, gid].join(' ');
}

function briefly(state: string): string {
  return state.split(' ', 2).join(' ');
}
