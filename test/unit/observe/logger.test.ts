import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openLogger } from '#src/observe/logger.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const settings = { level: 'info', format: 'json' } as const;

describe('the log', () => {
  it('on a full disk is no reason to stop, or to wait', async () => {
    const { log } = await openLogger({ ...settings, file: '/dev/full' });
    for (let line = 0; line < 3000; line += 1) log.info({ text: 'x'.repeat(1000) }, 'line');
  });

  it('holds what could not be written, up to a limit, and writes it when there is room', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'a.log');
    await symlink('/dev/full', file);
    const { log, reopen } = await openLogger({ ...settings, file });
    for (let line = 0; line < 3000; line += 1) log.info({ line, text: 'x'.repeat(1000) }, 'line');
    await rm(file);
    reopen();
    log.info({}, 'room');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const numbers = lines.map((line) => (JSON.parse(line) as { line?: number }).line);
    assert.ok(lines.length > 900 && lines.length < 1200, `${lines.length} lines`);
    assert.deepEqual(numbers.slice(0, 900), [...Array(900).keys()]);
    assert.match(lines.at(-1) ?? '', /"room"/);
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
