import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Halves the time that the imports take; before them, hence not static. A folder that cannot be written is no failure.
enableCompileCache(join(import.meta.dirname, '../.cache/compile'));

const [{ main }, { setUpV8 }] = await Promise.all([import('./cli/main.ts'), import('./v8-settings.ts')]);
setUpV8();
process.exitCode = await main(process.argv.slice(2));
