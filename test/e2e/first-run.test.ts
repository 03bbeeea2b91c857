import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Program } from './support/program.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const script = join(import.meta.dirname, '../../config/image/first-run.js');

/** Runs what the Dockerfile runs on a server of these lines. */
async function firstRun(...lines: string[]) {
  await using directory = await temporaryDirectory();
  const server = join(directory.path, 'server');
  const head = [`#!${process.execPath}`, 'const port = process.argv.at(-1);'];
  await writeFile(server, [...head, ...lines, ''].join('\n'), { mode: 0o755 });
  await using program = new Program(process.execPath, [script, server]);
  const { code } = await program.exited;
  return { code, lines: program.lines };
}

const answering = `require('node:http').createServer((_, answer) => answer.end()).listen(port)`;

describe('the first run of a server, when its image is built', () => {
  it('waits for a server that takes its time, and ends it', async () => {
    const { code, lines } = await firstRun(
      `setTimeout(() => ${answering}, 1000);`,
      `process.on('SIGTERM', () => { console.log('told to end'); process.exit(0); });`,
    );
    assert.deepEqual([code, lines], [0, ['told to end']]);
  });

  it('fails where the server ends before it answers, or ends badly', async () => {
    const { code, lines } = await firstRun('process.exit(3);');
    assert.equal(code, 1);
    assert.match(String(lines.at(-1)), /never answered at port \d+; it ended with 3/);
    assert.equal((await firstRun(answering, `process.on('SIGTERM', () => process.exit(2));`)).code, 1);
  });
});
