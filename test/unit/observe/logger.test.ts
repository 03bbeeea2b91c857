import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openLogger } from '#src/observe/logger.ts';
import { RegistryError } from '#src/oci/error.ts';
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

  for (const format of ['json', 'pretty'] as const)
    it(`holds nothing that steers a terminal, as ${format}`, async () => {
      await using directory = await temporaryDirectory();
      const file = join(directory.path, 'a.log');
      const { log } = await openLogger({ level: 'info', format, file });
      const agent = Array.from({ length: 256 }, (_, at) => String.fromCharCode(at)).join('');
      log.info({ agent }, 'request');
      const text = await readFile(file, 'utf8');
      assert.doesNotMatch(text.replace(/\n$/, ''), /\p{Cc}/u);
      if (format === 'json') assert.deepEqual((JSON.parse(text) as { agent: string }).agent, agent);
    });

  const thrown: [name: string, error: Error, hasStack: boolean][] = [
    ['a full disk', systemError('ENOSPC', 'write'), false],
    ['a port in use', systemError('EADDRINUSE', 'listen'), false],
    [
      'what comes of a full disk',
      new Error('nobody reads it', { cause: systemError('ENOSPC', 'write') }),
      false,
    ],
    ['an index that is busy', Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' }), false],
    ['an index that is asked nonsense', Object.assign(new Error('near "x"'), { code: 'SQLITE_ERROR' }), true],
    ['a bug', new TypeError('x is not a function'), true],
  ];
  for (const [name, error, hasStack] of thrown)
    it(`tells of ${name} ${hasStack ? 'with' : 'without'} a stack`, async () => {
      await using directory = await temporaryDirectory();
      const file = join(directory.path, 'a.log');
      const { log } = await openLogger({ ...settings, file });
      log.error({ err: error }, 'failed');
      const { err } = JSON.parse(await readFile(file, 'utf8')) as {
        err: { message: string; stack?: string };
      };
      assert.ok(err.message.startsWith(error.message));
      assert.equal(err.stack !== undefined, hasStack);
    });

  it('leaves out what OpenSSL says to who reads its source', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'a.log');
    const { log } = await openLogger({ ...settings, file });
    const raw =
      'write EPROTO 40A7:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../a.c:354:\n';
    const cause = Object.assign(new Error(raw), { code: 'EPROTO' });
    log.warn({ err: new RegistryError('UNAVAILABLE', 'no answer (no common TLS)', { cause }) }, 'failed');
    const { err } = JSON.parse(await readFile(file, 'utf8')) as { err: unknown };
    assert.deepEqual(err, {
      type: 'RegistryError',
      message: 'no answer (no common TLS): write EPROTO',
      code: 'UNAVAILABLE',
    });
  });

  it('is announced at any level what whoever starts the program must see', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'a.log');
    const { log, announce } = await openLogger({ level: 'error', format: 'json', file });
    log.warn({}, 'not this');
    announce.warn({}, 'this');
    announce.info({ url: 'http://x' }, 'and this');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
      ['this', 'and this'],
    );
  });
});

function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: failed, ${syscall}`), { errno: -28, code, syscall });
}
