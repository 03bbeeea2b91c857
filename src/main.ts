import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

// Halves the time that the imports take; before them, hence not static. A folder that cannot be written is no failure.
enableCompileCache(join(import.meta.dirname, '../.cache/compile'));

// Young objects are collected for each 2 MiB of them, and not for up to 128: see docs/decisions/0010.
setFlagsFromString('--semi-space-growth-factor=1');

const { main } = await import('./cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
