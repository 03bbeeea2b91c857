import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeOlder } from '../../bench/index-loads.ts';
import { freePort } from './free-port.ts';
import { Program } from './program.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const bin = join(import.meta.dirname, '../../../src/bin.js');

/** A directory with an index of the version before, of so many manifests, and who serves it. */
export async function olderCache(manifests: number) {
  const directory = await temporaryDirectory();
  const v1 = join(directory.path, 'v1');
  await mkdir(v1);
  await makeOlder(v1, manifests);
  const health = await freePort();
  const flags = [
    '--image-path',
    directory.path,
    '--host',
    '127.0.0.1',
    '--port',
    '0',
    '--health',
    `${health}`,
  ];
  return {
    v1,
    start: () => new Program(process.execPath, [bin, 'serve', ...flags]),
    ask: async (page: string) => await ask(health, page),
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

/** Undefined: nobody answers yet. */
async function ask(port: number, page: string): Promise<{ status: number; reason: string } | undefined> {
  const response = await fetch(`http://127.0.0.1:${port}/${page}`).catch(() => undefined);
  if (response === undefined) return undefined;
  const { reason = '' } = (await response.json()) as { reason?: string };
  return { status: response.status, reason };
}
