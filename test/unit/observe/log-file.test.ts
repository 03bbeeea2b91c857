import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LogFile } from '#src/observe/log-file.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const { O_NONBLOCK, O_RDONLY } = constants;

describe('a log that goes to a pipe', () => {
  it('waits for nobody who does not read it', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'log');
    execFileSync('mkfifo', [path]);
    const line = `${'x'.repeat(1000)}\n`;
    const log = new LogFile(path);
    log.write('before anybody reads\n');
    const reader = openSync(path, O_RDONLY | O_NONBLOCK);
    try {
      const first = Buffer.alloc('before anybody reads\n'.length);
      readSync(reader, first);
      assert.equal(first.toString(), 'before anybody reads\n');
      for (let count = 0; count < 2000; count += 1) log.write(line);
      const buffer = Buffer.alloc(line.length);
      assert.equal(readSync(reader, buffer), line.length);
      assert.equal(buffer.toString(), line);
    } finally {
      closeSync(reader);
    }
  });
});
