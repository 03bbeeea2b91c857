import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { type ExecSettings, execSource } from '#src/credentials/providers/exec.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

/** A helper that is a text of the shell. */
async function helper(script: string) {
  const directory = await temporaryDirectory();
  const program = join(directory.path, 'helper');
  await writeFile(program, `#!/bin/sh\ncd ${directory.path}\n${script}\n`, { mode: 0o700 });
  const clock = new FakeClock();
  const log = new LogLines();
  const env = { PATH: '/usr/bin:/bin' };
  return {
    program,
    clock,
    log,
    read: async (name: string) => await readFile(join(directory.path, name), 'utf8'),
    source: execSource({ command: program, serverUrl: 'ghcr.io', env, clock, log }),
    ask: async (settings: Partial<ExecSettings> = {}, signal = AbortSignal.timeout(10_000)) =>
      await execSource({ command: program, serverUrl: 'ghcr.io', env, clock, log, ...settings }).fetch(
        signal,
      ),
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

const answer = `echo '{"ServerURL":"ghcr.io","Username":"u","Secret":"s3cret-in-tests-hunter2"}'`;

describe('a credential helper', () => {
  it('is told get and the server, and gives user and password', async () => {
    await using test = await helper(`cat > asked; echo "$@" > arguments; ${answer}`);
    assert.deepEqual(await test.ask(), {
      credential: { kind: 'basic', username: 'u', password: 's3cret-in-tests-hunter2' },
    });
    assert.equal(await test.read('asked'), 'ghcr.io\n');
    assert.equal(await test.read('arguments'), 'get\n');
  });

  it('is run with its own arguments, which no shell looks at', async () => {
    await using test = await helper(`for a; do echo "$a" >> arguments; done; ${answer}`);
    await test.ask({ command: [test.program, '$HOME; true', 'get'] });
    assert.equal(await test.read('arguments'), '$HOME; true\nget\n');
  });

  it('may give a refresh token, and need not read what it is told', async () => {
    await using test = await helper(
      `exec 0<&-; echo '{"Username":"<token>","Secret":"s3cret-in-tests-hunter2"}'`,
    );
    const serverUrl = 'more than a pipe holds '.repeat(10_000);
    assert.deepEqual(await test.ask({ serverUrl }), {
      credential: { kind: 'refresh', token: 's3cret-in-tests-hunter2' },
    });
  });

  it('has credentials for as long as it is configured', async () => {
    await using test = await helper(answer);
    assert.equal((await test.ask({ lifetimeMs: 5000 })).expiresAt, test.clock.now() + 5000);
  });

  it('that has none makes us nobody for a while, with one warning until it has some', async () => {
    const unknown = 'echo credentials not found in native keychain; exit 1';
    await using test = await helper(`test -e known && { ${answer}; exit; }; ${unknown}`);
    const ask = async () => await test.source.fetch(AbortSignal.timeout(10_000));
    const nobody = { credential: { kind: 'anonymous' }, expiresAt: test.clock.now() + 600_000 };
    assert.deepEqual(await ask(), nobody);
    assert.deepEqual(await ask(), nobody);
    assert.match(
      test.log.lines.join('\n'),
      /^warn the program knows no credentials for this registry: [^\n]*ghcr\.io.*$/,
    );
    await writeFile(join(test.program, '../known'), '');
    assert.equal((await ask()).credential.kind, 'basic');
    await rm(join(test.program, '../known'));
    await ask();
    assert.equal(test.log.lines.length, 2);
  });

  const failures: [what: string, script: string, message: RegExp][] = [
    [
      'ends with an error',
      'echo s3cret-in-tests-hunter2; echo s3cret-in-tests-hunter2 >&2; exit 3',
      /helper" ended with status 3$/,
    ],
    ['prints no JSON', 'echo s3cret-in-tests-hunter2', /printed no credentials$/],
    ['prints an empty secret', `echo '{"Username":"u","Secret":""}'`, /printed no credentials$/],
    ['prints too much', `printf '{"Username":"u","Secret":"%070000d"}' 0`, /printed more than 65536 bytes$/],
    [
      'prints without an end',
      'while :; do echo s3cret-in-tests-hunter2; done',
      /printed more than 65536 bytes$/,
    ],
    ['is killed', 'kill -9 $$', /was killed$/],
  ];
  for (const [what, script, message] of failures) {
    it(`that ${what} is an error that quotes nothing of it`, async () => {
      await using test = await helper(script);
      await assert.rejects(test.ask(), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'DENIED');
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /s3cret-in-tests-hunter2/);
        assert.equal(error.cause, undefined);
        return true;
      });
    });
  }

  it('that is not there, or may not be run, is named', async () => {
    await using test = await helper(answer);
    await assert.rejects(test.ask({ command: 'docker-credential-nope' }), {
      message: 'no credentials: the program "docker-credential-nope" is not there',
    });
    await assert.rejects(test.ask({ command: '/etc' }), { message: /may not be run$/ });
  });

  it('that does not end is killed when its time is over', async () => {
    await using test = await helper('trap "" TERM; echo $$ > pid; while :; do read line < /dev/zero; done');
    const late = new AbortController();
    const asked = test.ask({}, late.signal);
    const checked = assert.rejects(asked, /too late/);
    const pid = await poll(async () => Number(await test.read('pid').catch(() => '')));
    late.abort(new Error('too late'));
    await checked;
    try {
      assert.ok(await poll(async () => !isRunning(pid)), 'it still runs');
    } finally {
      if (isRunning(pid)) process.kill(pid, 'SIGKILL');
    }
  });
});

/** Asks a real process, which has no clock of ours, until it says something; for a second or two. */
async function poll<Value>(probe: () => Promise<Value>): Promise<Value> {
  for (let tries = 0; tries < 400; tries += 1) {
    const answer = await probe();
    if (answer) return answer;
    await setTimeout(5);
  }
  return await probe();
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
