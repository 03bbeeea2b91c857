import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readBoundedFile } from '#src/base/bounded-file.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

describe('a file that is read whole', { timeout: 20_000 }, () => {
  it('may have so many bytes, and says why where it cannot be read', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'file');
    await writeFile(file, 'x'.repeat(100_000));
    assert.equal((await readBoundedFile(file, 100_000)).length, 100_000);
    await assert.rejects(readBoundedFile(file, 99_999), { message: 'larger than 99999 bytes' });
    await assert.rejects(readBoundedFile(directory.path, 1), { message: 'is a directory' });
    await assert.rejects(readBoundedFile(join(file, 'below'), 1), { message: 'no such file' });
  });

  it('is no pipe with a name, which would be waited for', async () => {
    await using directory = await temporaryDirectory();
    const pipe = join(directory.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const orShellPipe of [false, true])
      await assert.rejects(readBoundedFile(pipe, 1, { orShellPipe }), { message: 'is no regular file' });
  });

  it('may be a device that has nothing, and not more than anything may have', async () => {
    assert.equal((await readBoundedFile('/dev/null', 1)).length, 0);
    await assert.rejects(readBoundedFile('/dev/zero', 1), { message: 'larger than 1 bytes' });
  });
});
