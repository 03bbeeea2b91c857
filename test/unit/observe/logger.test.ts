import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openLogger } from '#src/observe/logger.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const settings = { level: 'info', format: 'json' } as const;

describe('the log', () => {
  it('on a full disk is no reason to stop: what cannot be written waits or is lost', async () => {
    const { log, flush } = await openLogger({ ...settings, file: '/dev/full' });
    for (let line = 0; line < 3000; line += 1) log.info({ text: 'x'.repeat(1000) }, 'line');
    flush();
    // An error event without a listener would come as an exception that nobody catches.
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('goes on in a new file after the old one was moved away, and in the old one where there can be no new', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'logs');
    await mkdir(folder);
    const file = join(folder, 'a.log');
    const { log, reopen } = await openLogger({ ...settings, file });
    log.info({}, 'first');
    await rename(file, join(directory.path, 'moved.log'));
    reopen();
    log.info({}, 'second');
    assert.match(await readFile(file, 'utf8'), /^[^\n]*"second"[^\n]*\n$/);
    await rm(folder, { recursive: true });
    reopen();
    log.info({}, 'third');
    assert.match(await readFile(join(directory.path, 'moved.log'), 'utf8'), /"first"/);
  });
});
