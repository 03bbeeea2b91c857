import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Ociregistry } from './support/ociregistry.ts';
import { Program } from './support/program.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const bin = join(import.meta.dirname, '../../src/bin.js');

interface Line {
  readonly level: string;
  readonly msg: string;
}

/** Throws for what is no JSON. */
function parsed(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

describe('what the server says at its start', () => {
  it('is JSON line by line, and names at the quietest level what is ignored', async () => {
    const settings = { logLevel: 'error', helloWorld: true, server: { workers: 'auto' } };
    await using server = await Ociregistry.start({ settings });
    assert.deepEqual(
      parsed(server.output).map(({ level, msg }) => `${level} ${msg}`),
      [
        'warn not available in this version yet, and ignored: helloWorld, server.workers',
        'info server is running',
      ],
    );
  });

  it('is JSON also when it cannot start', async () => {
    await using directory = await temporaryDirectory();
    const other = createServer();
    await new Promise<void>((resolve) => void other.listen({ host: '127.0.0.1', port: 0 }, resolve));
    try {
      const { port } = other.address() as { port: number };
      const flags = [
        '--image-path',
        join(directory.path, 'data'),
        '--host',
        '127.0.0.1',
        '--port',
        `${port}`,
      ];
      await using program = new Program(process.execPath, [bin, 'serve', ...flags]);
      assert.deepEqual(await program.exited, { code: 1, signal: null });
      const [line, ...more] = parsed(program.lines.join('\n'));
      assert.deepEqual([line?.level, line?.msg, more], ['error', 'error starting the server', []]);
      assert.match(program.lines[0] ?? '', /EADDRINUSE/);
      assert.ok(program.lines[0]?.includes(`--port: ${port} is in use on 127.0.0.1`));
      assert.doesNotMatch(program.lines[0] ?? '', /"stack"/);
    } finally {
      other.close();
    }
  });
});

describe('SIGHUP', () => {
  it('opens the log file again, says so, and ends nothing', async () => {
    await using directory = await temporaryDirectory();
    const logFile = join(directory.path, 'a.log');
    await writeFile(logFile, '');
    await using server = await Ociregistry.start({ settings: { logFile } });
    const hold = await fetch(`${server.url}/v2/`);
    await hold.text();
    await rename(logFile, `${logFile}.1`);
    server.signal('SIGHUP');
    await until('the line is there', async () => server.output.includes('SIGHUP: '));
    assert.equal((await fetch(`${server.url}/v2/`)).status, 200);
    const lines = await until('the new file has lines', async () => {
      const text = await readFile(logFile, 'utf8').catch(() => '');
      return text.includes('"request"') && parsed(text);
    });
    assert.match(lines[0]?.msg ?? '', /^SIGHUP: the log file is opened again/);
    assert.match(await readFile(`${logFile}.1`, 'utf8'), /server is running/);
  });
});
