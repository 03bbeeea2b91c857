import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pages } from './pages.ts';

/** Writes what is generated from the code: `npm run docs`. */
const root = join(import.meta.dirname, '../..');
for (const [path, text] of Object.entries(pages)) await writeFile(join(root, path), text());
