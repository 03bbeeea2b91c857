import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  type FileHandle,
  open,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { htpasswd } from '#src/cli/htpasswd.ts';
import type { PasswordInput } from '#src/cli/typed-password.ts';
import { parseHtpasswd } from '#src/door/identity/htpasswd.ts';
import { isPasswordOf } from '#src/door/identity/password-hash.ts';
import { bcrypt } from '#test/fakes/passwords.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { assertSecretless, secret } from '#test/fakes/secrets.ts';

const password = secret('typed');

/** A terminal at which this is typed, line by line as it asks. */
function terminal(...lines: readonly (string | Buffer)[]) {
  const input: PasswordInput & { isRaw?: boolean } = Object.assign(new PassThrough(), {
    isTTY: true,
    isRaw: false,
    setRawMode: (isRaw: boolean): void => {
      input.isRaw = isRaw;
    },
  });
  const left = [...lines];
  const shown: string[] = [];
  const prompt = {
    write: (text: string): void => {
      shown.push(text);
      if (text !== '\n') setImmediate(() => input.push(left.shift() ?? null));
    },
  };
  return { input, prompt, shown };
}

async function run(
  order: Partial<Parameters<typeof htpasswd>[0]>,
  input: PasswordInput,
  stderr: { write(text: string): unknown } = { write() {} },
): Promise<string> {
  const stdout: string[] = [];
  await htpasswd(
    { user: 'alice', file: '', algorithm: 'bcrypt', ...order },
    { stdin: input, stdout: { write: (text) => stdout.push(text) }, stderr },
  );
  return stdout.join('');
}

const piped = (text: string | Buffer): PasswordInput => new PassThrough().end(text);

describe('an entry of the password file', () => {
  for (const algorithm of ['bcrypt', 'argon2id'] as const)
    it(`is printed, of a password that comes by standard input: ${algorithm}`, async () => {
      const line = await run({ algorithm }, piped(`${password}\n`));
      assert.match(line, /^alice:\$\S+\n$/);
      assertSecretless(line, 'the entry');
      assert.equal(isPasswordOf(parseHtpasswd(line).get('alice') ?? '', password), true);
    });

  it('is of what is typed twice at a terminal, which does not show it', async () => {
    const { input, prompt, shown } = terminal(`x\x15wrong\x7f\x7f\x7f\x7f\x7f${password}\r`, `${password}\r`);
    const line = await run({}, input, prompt);
    assert.equal(isPasswordOf(parseHtpasswd(line).get('alice') ?? '', password), true);
    assert.deepEqual(shown, ['Password: ', '\n', 'Again: ', '\n']);
    assert.equal(input.isRaw, false);
  });

  for (const [typed, why] of [
    [['a\r', 'b\r'], /not the same/],
    [['a\x03'], /nothing was done/],
    [[], /nothing was done/],
    [[Buffer.from('schl\xfcssel\r', 'latin1')], /is not UTF-8/],
  ] as const)
    it(`is none where it is typed otherwise: ${String(why)}`, async () => {
      const { input, prompt } = terminal(...typed);
      await assert.rejects(run({}, input, prompt), why);
      assert.equal(input.isRaw, false);
    });

  for (const [text, why] of [
    ['', /is empty/],
    [`${secret('x')}\t`, /control character/],
    ['ü'.repeat(37), /at most 72 bytes: use --algorithm argon2id/],
    ['x'.repeat(5000), /longer than 4096/],
    [Buffer.from('schl\xfcssel', 'latin1'), /is not UTF-8/],
    [Buffer.from('cut: \xc3', 'latin1'), /is not UTF-8/],
  ] as const)
    it(`is none of a password that cannot be one: ${String(why)}`, async () => {
      await assert.rejects(
        run({}, piped(text)),
        (error: Error) => why.test(error.message) && !error.message.includes('s3cret'),
      );
    });

  for (const user of ['', 'a:b', 'a b', '#a', 'a\n'])
    it(`is none of a user that could not be one: ${JSON.stringify(user)}`, async () => {
      await assert.rejects(run({ user }, piped('x')), /is no name of a user/);
    });
});

describe('a password file', () => {
  it('gets the entry, in the place of the one that the user has', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'htpasswd');
    await run({ file }, piped('first'));
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await run({ file, user: 'bob' }, piped('second'));
    const before = await readFile(file, 'utf8');
    await writeFile(file, `# who\n${before}`);
    await chmod(file, 0o640);
    const link = join(directory.path, 'link');
    await symlink(file, link);
    const told: string[] = [];
    await run({ file: link, user: 'alice' }, piped('third'), { write: (text) => told.push(text) });
    assert.deepEqual(told, ['alice was replaced\n']);
    const text = await readFile(file, 'utf8');
    assert.match(text, /^# who\nalice:\S+\nbob:\S+\n$/);
    assert.equal(isPasswordOf(parseHtpasswd(text).get('alice') ?? '', 'third'), true);
    assert.equal((await stat(file)).mode & 0o777, 0o640);
    assert.deepEqual(await readdir(directory.path), ['htpasswd', 'link']);
  });

  it('stays its owner’s and its group’s', {
    skip: process.getuid?.() !== 0 && 'only root gives files away',
  }, async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'htpasswd');
    await writeFile(file, '', { mode: 0o640 });
    await chown(file, 65532, 65533);
    await run({ file }, piped('x'));
    const { uid, gid, mode } = await stat(file);
    assert.deepEqual([uid, gid, mode & 0o777], [65532, 65533, 0o640]);
  });

  it('stays as it was where its owner cannot be kept', async (context) => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'htpasswd');
    await writeFile(file, 'x:y\n');
    const handle = await open(file);
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    context.mock.method(prototype, 'stat', async () => ({ uid: -1, gid: -1 }));
    context.mock.method(prototype, 'chown', async () => await Promise.reject(new Error('EPERM')));
    await assert.rejects(run({ file }, piped('x')), /cannot be written anew as \d+:\d+, whose it is/);
    assert.deepEqual([await readFile(file, 'utf8'), await readdir(directory.path)], ['x:y\n', ['htpasswd']]);
  });

  it('stays as it was where something in it is wrong, or another command writes it', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'htpasswd');
    const text = `bob:${bcrypt('x')}\ncarol:plain\n`;
    await writeFile(file, text);
    await assert.rejects(run({ file }, piped('x')), /line 2: the password is no hash/);
    assert.deepEqual([await readFile(file, 'utf8'), await readdir(directory.path)], [text, ['htpasswd']]);
    await writeFile(`${file}.new`, '');
    await assert.rejects(run({ file }, piped('x')), /another command writes it/);
    assert.equal(await readFile(file, 'utf8'), text);
  });
});
