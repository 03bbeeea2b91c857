import assert from 'node:assert/strict';
import { cp, glob, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Program } from './support/program.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const checkout = join(import.meta.dirname, '../..');
const probe = join(checkout, 'test/fakes/told-compiler.mjs');

/** Runs a command of the program that lies there; what it printed. */
async function run(root: string, ...args: string[]): Promise<readonly string[]> {
  await using program = new Program(process.execPath, [
    ...['--import', probe, join(root, 'src/bin.js')],
    ...args,
  ]);
  assert.equal((await program.exited).code, 0, program.lines.join('\n'));
  return program.lines;
}

/** Source and packages, and no cache. */
async function copyOfCheckout(directory: string): Promise<string> {
  for (const name of ['src', 'package.json'])
    await cp(join(checkout, name), join(directory, name), { recursive: true });
  await symlink(join(checkout, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

describe('the sources', () => {
  it('are stripped of their types once: from the second run on no compiler is loaded for that', async () => {
    await using directory = await temporaryDirectory();
    const root = await copyOfCheckout(directory.path);
    assert.ok((await run(root, 'version')).includes('compiler: true'));
    assert.ok((await run(root, 'version')).includes('compiler: false'));
  });

  it('are stripped when the image is built: then none is ever loaded, and each file finds the others', async () => {
    await using directory = await temporaryDirectory();
    const root = await copyOfCheckout(directory.path);
    await using build = new Program(process.execPath, [join(checkout, 'config/image/build.js'), root]);
    assert.equal((await build.exited).code, 0, build.lines.join('\n'));
    const sources = await Array.fromAsync(glob('**/*.ts', { cwd: join(root, 'src') }));
    for (const file of sources) await rm(join(root, 'src', file));
    assert.ok((await run(root, 'version')).includes('compiler: false'));
    const built = await Array.fromAsync(glob('**/*.js', { cwd: join(root, 'dist') }));
    assert.ok(built.length > 300, String(built.length));
    for (const file of built) assert.doesNotMatch(await readFile(join(root, 'dist', file), 'utf8'), /\.ts'/);
    const all = built.filter((file) => file !== 'main.js' && !file.endsWith('-thread.js'));
    const imports = all.map((file) => `await import('${join(root, 'dist', file)}');`).join('\n');
    await using importing = new Program(process.execPath, ['--input-type=module', '--eval', imports]);
    assert.equal((await importing.exited).code, 0, importing.lines.join('\n'));
  });
});
