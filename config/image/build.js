// For the Dockerfile: makes JavaScript of the source, in dist/, as `npm run build` does, without TypeScript's compiler. Node would strip the source of
// its types by itself, but by a compiler that takes 17 MB of memory in the process and in each thread, wherever its compile cache does not fit the processor.
// Argument: the folder that has src/; default: the one that has this file.
import { glob, mkdir, readFile, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';

const root = process.argv[2] ?? join(import.meta.dirname, '../..');
/** The path behind `from`, `import` or `import(`. */
const ofSource = /((?:\bfrom|\bimport)\s*\(?\s*'\.{1,2}\/[^'\n]+)\.ts'/g;

for await (const file of glob('**/*.ts', {
  cwd: join(root, 'src'),
  exclude: (name) => name === 'reference',
})) {
  const source = await readFile(join(root, 'src', file), 'utf8');
  const target = join(root, 'dist', file.replace(/\.ts$/, '.js'));
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, stripTypeScriptTypes(source).replaceAll(ofSource, "$1.js'"));
}
