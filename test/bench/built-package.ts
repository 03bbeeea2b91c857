import { cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { command } from '../e2e/support/command.ts';

const checkout = join(import.meta.dirname, '../..');
/** Below the checkout, whose dependencies it finds. */
const directory = join(checkout, '.cache/package');

/** What an installed package starts. Made by {@link buildPackage}. */
export const builtProgram = join(directory, 'src/bin.js');

/**
 * Builds this checkout as the package and the image have it: out of the source itself Node takes types in each thread anew, which costs 12 MiB for each. Throws
 * where it does not compile.
 */
export async function buildPackage(): Promise<void> {
  const tsc = join(checkout, 'node_modules/.bin/tsc');
  await command(tsc, ['-p', join(checkout, 'src'), '--outDir', join(directory, 'dist')]);
  for (const file of ['src/bin.js', 'package.json']) {
    const copy = join(directory, file);
    await mkdir(dirname(copy), { recursive: true });
    await cp(join(checkout, file), copy);
  }
}
